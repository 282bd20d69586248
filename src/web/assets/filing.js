// Files documents: each chosen file goes up as it is, with progress, one after the other. What is refused says why.
(function () {
  "use strict";
  const form = document.getElementById("filing");
  if (!form || !window.XMLHttpRequest) return;
  const files = form.querySelector("input[type=file]");
  const told = document.getElementById("filing-told");
  const say = (text, bad) => {
    told.textContent = text;
    told.className = bad ? "notice fail" : "notice";
    told.hidden = false;
  };
  const send = (file) => new Promise((done) => {
    const query = new URLSearchParams({ name: file.name });
    for (const name of ["kind", "title", "matter"]) {
      const field = form.elements[name];
      if (field && field.value) query.set(name, field.value);
    }
    const request = new XMLHttpRequest();
    request.open("POST", form.getAttribute("action") + "?" + query);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    const token = form.elements.csrf;
    if (token) request.setRequestHeader("X-CSRF-Token", token.value);
    request.upload.onprogress = (e) => {
      if (e.lengthComputable) say(form.dataset.sending + " " + file.name + " " + Math.floor(e.loaded * 100 / e.total) + "%", false);
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch (e) { answer = {}; }
      done({ status: request.status, answer: answer });
    };
    request.onerror = () => done({ status: 0, answer: {} });
    request.send(file);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    const said = [];
    let bad = false;
    for (const file of Array.from(files.files)) {
      const sent = await send(file);
      if (sent.status === 201) said.push(file.name + " · " + form.dataset.done);
      else if (sent.status === 200) said.push(file.name + " · " + form.dataset.known);
      else {
        bad = true;
        said.push(file.name + " · " + (sent.answer.detail || sent.answer.title || form.dataset.failed));
      }
    }
    button.disabled = false;
    if (said.length) say(said.join("\n"), bad);
    if (!bad) form.reset();
    if (window.htmx) window.htmx.trigger(document.body, "live:clips");
  });
})();
