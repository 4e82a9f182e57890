// Shows the form that /task.json holds, picks the answers it names as a person would, and posts what LHC-Forms makes
// of them to /done. Our own; nothing of LHC-Forms is in here.
"use strict";

const SECONDS = 40;
const later = milliseconds => new Promise(resume => setTimeout(resume, milliseconds));

async function until(what, found) {
  for (const end = Date.now() + SECONDS * 1000; Date.now() < end; await later(25)) {
    const one = found();
    if (one) return one;
  }
  throw new Error(`${what} did not come`);
}

async function fill() {
  const task = await (await fetch("task.json")).json();
  await until("LHC-Forms", () => window.LForms?.FHIR?.R4 && window.LForms.Util);
  await LForms.Util.addFormToPage(task.questionnaire, "form", { fhirVersion: "R4" });
  const form = document.getElementById("form");
  await until("the title", () => form.innerText.includes(task.questionnaire.title));
  for (const [line, system, code] of task.picks) {
    const button = await until(`line ${line}`, () => document.getElementById(`${line}/1|${system}|${code}`));
    (button.matches("input") ? button : button.querySelector("input") || button).click();
  }
  await later(200);
  return {
    response: LForms.Util.getFormFHIRData("QuestionnaireResponse", "R4"),
    shown: form.innerText,
    choices: form.querySelectorAll("input[type=radio]").length,
  };
}

fill()
  .catch(error => ({ failed: String(error), shown: document.body.innerText.slice(0, 2000) }))
  .then(done => fetch("done", { method: "POST", body: JSON.stringify({ ...done, broken }) }));
