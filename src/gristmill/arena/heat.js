for (const heat of document.querySelectorAll(".heat")) {
  const said = heat.querySelector(".heat-said");
  const first = said.textContent;
  const show = (event) => {
    const cell = event.target.closest("td[title], td[data-said]");
    if (!cell) return;
    // Read once, so that the browser's own tip does not cover the neighbours.
    if (cell.title) { cell.dataset.said = cell.title; cell.removeAttribute("title"); }
    said.textContent = cell.dataset.said;
  };
  heat.addEventListener("pointerover", show);
  heat.addEventListener("click", show);
  heat.addEventListener("pointerleave", () => { said.textContent = first; });
}
