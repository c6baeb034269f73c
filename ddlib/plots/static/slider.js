/* Moves picture, caption, text alternative and the dots on both curves together. */
(root, frames) => {
  const handle = root.querySelector("input"), image = root.querySelector("img");
  const show = (frame) => {
    image.src = "data:image/png;base64," + frame.png;
    image.alt = frame.alt;
    root.querySelector("output").textContent = frame.caption;
    handle.setAttribute("aria-valuetext", frame.caption);
    root.querySelectorAll("circle").forEach((dot, j) => {
      dot.setAttribute("cx", frame.dots[j][0]);
      dot.setAttribute("cy", frame.dots[j][1]);
    });
  };
  handle.addEventListener("input", () => show(frames[+handle.value]));
}
