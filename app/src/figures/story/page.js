for (const box of document.querySelectorAll(".compare")) {
  const handle = box.querySelector("input");
  const follow = () => box.style.setProperty("--at", handle.value + "%");
  handle.addEventListener("input", follow);
  follow();
}
