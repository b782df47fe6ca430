// Commands on the pages name the server that the page came from, so that they can be pasted as they are.
for (const code of document.querySelectorAll("pre code")) {
  code.textContent = code.textContent.replaceAll("http://127.0.0.1:8000", location.origin);
}
