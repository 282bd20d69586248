// Keys of triage: j and k go from clip to clip, Enter accepts what is suggested, o does so for the whole outing, x refuses,
// n types another number, u takes the last decision back. Each presses a button of a form that works without a script.
(function () {
  "use strict";

  var cards = Array.prototype.slice.call(document.querySelectorAll(".triage > .card"));
  var at = 0;

  function show(to) {
    if (!cards.length) return;
    at = Math.max(0, Math.min(cards.length - 1, to));
    for (var i = 0; i < cards.length; i++) cards[i].classList.toggle("current", i === at);
    cards[at].focus({ preventScroll: true });
    cards[at].scrollIntoView({ block: "nearest" });
  }

  function press(key) {
    var inside = key === "u" ? document : cards[at];
    var found = inside && inside.querySelector('[data-key="' + key + '"]');
    if (!found) return false;
    if (found.tagName === "INPUT") found.focus();
    else found.click();
    return true;
  }

  document.addEventListener("keydown", function (e) {
    // Whoever types, or means the browser, is let alone; so is a button that has the focus itself.
    if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|TEXTAREA|SELECT|BUTTON|A)$/.test(e.target.tagName)) return;
    var done = true;
    if (e.key === "j") show(at + 1);
    else if (e.key === "k") show(at - 1);
    else if (["Enter", "o", "x", "n", "u"].indexOf(e.key) >= 0) done = press(e.key);
    else done = false;
    if (done) e.preventDefault();
  });

  show(0);
})();
