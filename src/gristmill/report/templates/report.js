"use strict";
(() => {
  const root = document.querySelector(".samples");
  const tools = root && root.querySelector(".tools");
  if (!tools) return;
  tools.hidden = false;
  root.classList.add("live");
  const groups = [...root.querySelectorAll(".group")];
  const rows = [...root.querySelectorAll(".sample")];
  let show = "all", fate = "all", sort = null, up = false;

  const number = (row, key) => {
    const text = row.dataset[key];
    return text === "" ? null : Number(text);
  };
  const compare = (a, b) => {
    if (sort === null) return a.dataset.rank - b.dataset.rank;
    const x = number(a, sort), y = number(b, sort);
    // What has no score goes last, whichever way the rest is sorted.
    if (x === null || y === null) return (x === null) - (y === null);
    return up ? x - y : y - x;
  };
  const update = () => {
    for (const group of groups) {
      group.hidden = show !== "all" && group.dataset.group !== show;
      const own = [...group.querySelectorAll(".sample")].sort(compare);
      let seen = 0;
      for (const row of own) {
        row.hidden = fate !== "all" && row.dataset.kept !== fate;
        seen += !row.hidden;
        group.insertBefore(row, group.querySelector(".none"));
      }
      group.querySelector(".none").hidden = seen > 0 || own.length === 0;
    }
    for (const button of root.querySelectorAll("button[data-show]"))
      button.setAttribute("aria-pressed", String(button.dataset.show === show));
    for (const button of root.querySelectorAll("button[data-fate]"))
      button.setAttribute("aria-pressed", String(button.dataset.fate === fate));
    for (const button of root.querySelectorAll("button[data-sort]"))
      button.dataset.way = button.dataset.sort === sort ? (up ? "up" : "down") : "";
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { show: which, fate: what, sort: by, open } = button.dataset;
    if (which) show = which;
    if (what) fate = what;
    if (by) {
      // Down, up, then back to the order of the page.
      if (sort !== by) { sort = by; up = false; }
      else if (!up) up = true;
      else { sort = null; up = false; }
    }
    if (open) {
      const all = rows.some((row) => !row.open);
      for (const row of rows) row.open = all;
      button.textContent = all ? "Close all" : "Open all";
    }
    update();
  });
  addEventListener("beforeprint", () => { for (const row of rows) row.open = false; });
})();
