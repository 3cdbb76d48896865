// Forms that a passkey answers: the browser signs the server's challenge, then the form is sent.

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-passkey]");
  if (!form || form.elements.credential.value) return;
  event.preventDefault();
  say(form, "");
  try {
    const credential = await ask(form);
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    say(form, reason(error));
  }
});

async function ask(form) {
  const { publicKey } = await options(form);
  if (form.dataset.passkey === "get") {
    const asked = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    return navigator.credentials.get({ publicKey: asked });
  }
  const selection = publicKey.authenticatorSelection ?? {};
  const alone = form.elements.passwordless?.checked ?? false;
  selection.residentKey = alone ? "required" : "discouraged";
  selection.requireResidentKey = alone;
  if (alone) selection.userVerification = "required";
  const wanted = { ...publicKey, authenticatorSelection: selection };
  const made = PublicKeyCredential.parseCreationOptionsFromJSON(wanted);
  return navigator.credentials.create({ publicKey: made });
}

async function options(form) {
  const held = document.getElementById(form.dataset.options);
  if (held) return JSON.parse(held.textContent);
  const answer = await fetch(form.dataset.optionsFrom, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()).request_options;
}

function reason(error) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    return "This browser cannot use passkeys here. Passkeys need HTTPS and a browser of 2025 or newer.";
  }
  if (error.name === "InvalidStateError") return "This device already has a passkey for your account.";
  if (error.name === "NotAllowedError") return "Nothing was signed: it was cancelled or took too long.";
  return "The passkey did not work. Try again, or use another way.";
}

function say(form, text) {
  const place = form.querySelector("[role=alert]");
  place.textContent = text;
  place.hidden = !text;
}
