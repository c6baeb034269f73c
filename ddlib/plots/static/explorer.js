/* Cuts pictures out of one sheet for each method and one of test images. Of the buttons only the
   chosen one is in the tab order; arrow keys move along rows and columns, Home and End to the ends. */
(root, data) => {
  const wide = data.columns;
  const grid = root.querySelector(".all"), pick = root.querySelector("select");
  const cut = (box, sheet, across, down, column, row) => {
    box.style.backgroundImage = `url(data:image/png;base64,${sheet})`;
    const size = (n) => (100 * (n * (data.side + 1) - 1)) / data.side + "%";
    box.style.backgroundSize = `${size(across)} ${size(down)}`;
    const at = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0) + "%";
    box.style.backgroundPosition = `${at(column, across)} ${at(row, down)}`;
  };
  const name = (j) => `${Math.floor(j / wide) + 1} of class ${data.classes[j % wide]}`;
  const number = (x, digits) => (x < 0 ? "\u2212" : "+") + Math.abs(x).toFixed(digits);
  const list = (side, entries) => {
    const box = root.querySelector("." + side);
    box.replaceChildren(...entries.map(([t, change, spreads, alike]) => {
      const item = document.createElement("li"), image = document.createElement("i");
      const label = document.createElement("b");
      cut(image, data.tests, data.testColumns, data.testRows,
          Math.floor(t / data.testRows), t % data.testRows);
      label.textContent = data.classes[Math.floor(t / data.testRows) % wide];
      const lines = [`${number(change, 2)}`, `${number(spreads, 1)} s`, `${alike} of ${data.nets}`];
      item.append(image, label, ...lines.map((line) => {
        const span = document.createElement("span");
        span.textContent = line;
        return span;
      }));
      return item;
    }));
    return entries.map((e) => data.classes[Math.floor(e[0] / data.testRows)]);
  };
  const count = (names) => {
    const found = {};
    names.forEach((n) => { found[n] = (found[n] || 0) + 1; });
    return Object.entries(found).sort((a, b) => b[1] - a[1])
      .map(([n, c]) => `${c} of class ${n}`).join(", ");
  };
  const buttons = Array.from({length: wide * data.rows}, (_, j) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", "Image " + name(j));
    button.append(document.createElement("i"));
    button.addEventListener("click", () => show(j));
    return button;
  });
  const show = (j, focus) => {
    const method = data.methods[pick.value];
    buttons.forEach((b, i) => {
      b.setAttribute("aria-checked", i === j);
      b.tabIndex = i === j ? 0 : -1;
      cut(b.firstChild, method.sheet, wide, data.rows, i % wide, Math.floor(i / wide));
    });
    if (focus) buttons[j].focus();
    const row = Math.floor(j / wide);
    cut(root.querySelector(".chosen i"), method.sheet, wide, data.rows, j % wide, row);
    const entry = method.images[(j % wide) * data.rows + row];
    const helped = count(list("helped", entry[0]));
    const harmed = count(list("harmed", entry[1]));
    root.querySelector("output").textContent =
      `${method.label}, image ${name(j)}. Of the test images it helps most: ${helped}. ` +
      `Of those it harms most: ${harmed}.`;
  };
  const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide};
  grid.addEventListener("keydown", (e) => {
    const j = buttons.indexOf(document.activeElement), last = buttons.length - 1;
    let to = e.key === "Home" ? 0 : e.key === "End" ? last : j + moves[e.key];
    if (j < 0 || Number.isNaN(to)) return;
    e.preventDefault();
    show((to + buttons.length) % buttons.length, true);
  });
  grid.append(...buttons);
  pick.addEventListener("change", () =>
    show(buttons.findIndex((b) => b.getAttribute("aria-checked") === "true")));
  show(0);
}
