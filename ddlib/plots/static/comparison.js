/* The page holds the whole table; this adds the buttons and shows the filters. A second press of a
   button turns the order around, and a cell without a value stays at the end. */
(root) => {
  const body = root.querySelector("tbody");
  const rows = [...body.rows], heads = [...root.querySelectorAll("thead th")];
  const filters = [...root.querySelectorAll("select")];
  const says = root.querySelector("[role=status]");
  const value = (row, i) => {
    const v = row.cells[i].dataset.value;
    return v === "" || isNaN(v) ? v : +v;
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((h) => h.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      rows.sort((a, b) => {
        const [x, y] = [value(a, i), value(b, i)];
        if (x === "" || y === "") return (x === "") - (y === "");
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
  });
  const filter = () => {
    rows.forEach((row) => {
      row.hidden = filters.some((f) => f.value && row.dataset[f.name] !== f.value);
    });
    says.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length + " rows";
  };
  filters.forEach((f) => f.addEventListener("change", filter));
  root.querySelector(".filters").hidden = false;
  filter();
}
