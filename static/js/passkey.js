// Passkey forms: the browser signs the server's challenge, then submits the form.

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-passkey]");
  if (!form || form.elements.credential.value) return;
  event.preventDefault();
  showError(form, "");
  try {
    const credential = await requestCredential(form);
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    showError(form, reason(error));
  }
});

async function requestCredential(form) {
  const { publicKey } = await options(form);
  if (form.dataset.passkey === "get") {
    const request = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    return navigator.credentials.get({ publicKey: request });
  }
  const selection = publicKey.authenticatorSelection ?? {};
  const isPasswordless = form.elements.passwordless?.checked ?? false;
  selection.residentKey = isPasswordless ? "required" : "discouraged";
  selection.requireResidentKey = isPasswordless;
  if (isPasswordless) selection.userVerification = "required";
  const creationOptions = { ...publicKey, authenticatorSelection: selection };
  const creation = PublicKeyCredential.parseCreationOptionsFromJSON(creationOptions);
  return navigator.credentials.create({ publicKey: creation });
}

async function options(form) {
  const embedded = document.getElementById(form.dataset.options);
  if (embedded) return JSON.parse(embedded.textContent);
  const answer = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return (await answer.json()).request_options;
}

function reason(error) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    return "This browser cannot use passkeys here. Passkeys need HTTPS and a browser from 2025 or newer.";
  }
  if (error.name === "InvalidStateError") return "This device already has a passkey for your account.";
  if (error.name === "NotAllowedError") return "The passkey prompt was cancelled or timed out.";
  return "The passkey did not work. Try again, or use another way to sign in.";
}

function showError(form, text) {
  const alert = form.querySelector("[role=alert]");
  alert.textContent = text;
  alert.hidden = !text;
}
