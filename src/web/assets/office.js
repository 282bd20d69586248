// The office's pages. Desk: the field of the scanner has the focus whenever nothing else needs it. Clips: how many are
// selected, and no refresh under somebody's hands. Registers and rosters: a file goes up as it is, what came of it comes back as a part
// of the page. Everything else of these pages works without a script.
(function () {
  "use strict";

  var scan = document.querySelector("[data-scan]");
  if (scan) {
    var free = function () {
      var at = document.activeElement;
      return !at || at === document.body || at.id === "main";
    };
    scan.focus();
    // A scanner types wherever the focus is: what it types on the bare page belongs into the field.
    document.addEventListener("keydown", function (e) {
      if (e.ctrlKey || e.altKey || e.metaKey || e.key.length !== 1 || !free()) return;
      scan.focus();
    });
    document.addEventListener("visibilitychange", function () {
      if (!document.hidden && free()) scan.focus();
    });
  }

  var several = document.querySelector("[data-several]");
  if (several) {
    var count = several.querySelector("[data-count]");
    var picked = function () {
      return document.querySelectorAll(".pick:checked").length;
    };
    var show = function () {
      var n = picked();
      count.hidden = n === 0;
      count.textContent = String(n);
      if (n > 0) several.querySelector("details").open = true;
    };
    document.addEventListener("change", function (e) {
      if (e.target.classList.contains("pick")) show();
    });
    // The list stands still while clips are selected in it.
    document.body.addEventListener("htmx:beforeRequest", function (e) {
      if (e.target.id === "live" && picked() > 0) e.preventDefault();
    });
    show();
  }

  var form = document.querySelector("[data-import]");
  if (form) {
    var real = form.querySelector("[data-real]");
    var outcome = document.getElementById("outcome");
    var say = function (text) {
      var p = document.createElement("p");
      p.className = "notice ask";
      p.textContent = text;
      outcome.replaceChildren(p);
    };
    form.addEventListener("change", function () {
      real.disabled = true;
      outcome.replaceChildren();
    });
    form.addEventListener("submit", function (e) {
      e.preventDefault();
      var file = form.elements.file.files[0];
      if (!file) return;
      var dry = e.submitter !== real;
      var buttons = form.querySelectorAll("button");
      for (var i = 0; i < buttons.length; i++) buttons[i].disabled = true;
      say(outcome.dataset.busy);
      var token = form.elements.csrf;
      // Of registers there are several, and each has its own address.
      var base = form.dataset.import || "/registers/" + encodeURIComponent(form.elements.register.value);
      var to = base + "?name=" + encodeURIComponent(file.name) + "&dry_run=" + dry;
      fetch(to, { method: "POST", body: file, headers: { "content-type": "application/octet-stream", "x-csrf-token": token ? token.value : "" } })
        .then(function (answer) { return answer.text(); })
        .then(function (html) {
          var found = new DOMParser().parseFromString(html, "text/html").querySelector(".outcome, main");
          outcome.replaceChildren(found || "");
          buttons[0].disabled = false;
          real.disabled = !(found && found.dataset.ready === "yes");
        })
        .catch(function () {
          buttons[0].disabled = false;
          say(outcome.dataset.lost);
        });
    });
  }
})();
