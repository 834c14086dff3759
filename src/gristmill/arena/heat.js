const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
for (const heat of document.querySelectorAll(".heat")) {
  const said = heat.querySelector(".heat-said");
  const box = heat.querySelector(".heat-scroll");
  const rows = [...heat.querySelectorAll("tbody tr")].map((row) => row.querySelectorAll("td"));
  const first = said.textContent;
  let at = null;
  const leave = () => { at?.removeAttribute("data-at"); at = null; said.textContent = first; };
  const show = (cell) => {
    if (!cell) return;
    // Read once, so that the browser's own tip does not cover the neighbours.
    if (cell.title) { cell.dataset.said = cell.title; cell.removeAttribute("title"); }
    leave();
    at = cell;
    at.dataset.at = "";
    said.textContent = at.dataset.said;
  };
  const pointed = (event) => show(event.target.closest("tbody td"));
  heat.addEventListener("pointerover", pointed);
  heat.addEventListener("click", pointed);
  heat.addEventListener("pointerleave", leave);
  box.addEventListener("blur", leave);
  box.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const within = (place) => Math.min(Math.max(place, 0), rows.length - 1);
    const [down, along] = at ? [at.parentNode.sectionRowIndex, at.cellIndex - 1] : [-1, -1];
    show(rows[within(down + step[0])][within(along + step[1])]);
    at.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}
