// Starts Swagger UI. Nothing that is typed into it outlives the page.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});

// Signs in, and gives Swagger UI the token.
const SCHEME = "OAuth2PasswordBearer";
const SESSIONS = "/api/v1/auth/sessions";
const form = document.getElementById("sign-in");
const [email, password, code] = ["email", "password", "code"].map((name) => form.querySelector(`[name=${name}]`));
const told = document.getElementById("signed-in");
const leave = document.getElementById("sign-out");
let token = null;

const show = (sentence) => {
  told.textContent = sentence;
  form.hidden = token !== null;
  leave.hidden = token === null;
};

const signIn = async () => {
  const given = { email: email.value, password: password.value };
  if (code.value) given.code = code.value;
  const answer = await fetch(SESSIONS, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(given),
  });
  const document = await answer.json();
  if (answer.ok) {
    token = document.access_token;
    ui.preauthorizeApiKey(SCHEME, token);
    password.value = code.value = "";
    show(`Signed in as ${given.email}.`);
  } else {
    code.parentElement.hidden = document.code !== "second_factor_required" && code.parentElement.hidden;
    show(document.detail);
  }
};

form.querySelector("button").addEventListener("click", signIn);
form.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches("input") && signIn());
leave.addEventListener("click", async () => {
  await fetch(`${SESSIONS}/current`, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
  token = null;
  ui.authActions.logout([SCHEME]);
  show("Signed out.");
});

show("");
