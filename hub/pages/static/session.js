// Notices on an open page that its person has signed out, in whichever browser, and that they are back.
// On pages in Atrium's frame it shows the frame's dialog; JupyterLab imports it (widgets/labextension).

const EVERY_MS = 5000;
const ASK_AGAIN_MS = 500;
const DEADLINE_MS = 10000;
const SESSION = new URL("../session", import.meta.url); // of the server that this file comes from

/** Leads through the sign-in to the start page, so that this server knows the browser again. */
export const SIGN_IN = new URL("session/sign-in", SESSION).href;

/** Name of the person who is signed in, "" for nobody, null if that is not known. */
async function person() {
  try {
    // Without CORS: JupyterHub's XSRF check would refuse a stale token, which says nothing about the session.
    const response = await fetch(SESSION, { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
    if (response.status === 401 || response.status === 403) return "";
    return response.ok ? ((await response.json()).person ?? null) : null;
  } catch {
    return null; // the server or the network is down
  }
}

/** Call `ended` when the session of this page's person ends, and `renewed` when the same person is back. */
export function watch(ended, renewed) {
  let owner = null; // whom the page was made for
  let isOver = false;
  let isAsking = false;

  async function look() {
    const name = await person();
    owner ??= name || null;
    if (owner === null || name === null || (name !== owner) === isOver) return;
    if (!isOver) {
      await new Promise((resolve) => { setTimeout(resolve, ASK_AGAIN_MS); });
      const again = await person();
      if (again === null || again === owner) return;
    }
    isOver = !isOver;
    (isOver ? ended : renewed)();
  }

  async function lookOnce() {
    if (document.hidden || isAsking) return;
    isAsking = true;
    await look();
    isAsking = false;
  }

  document.addEventListener("visibilitychange", lookOnce);
  setInterval(lookOnce, EVERY_MS);
  void lookOnce();
}

function showOn(dialog) {
  const show = (state) => {
    for (const part of dialog.querySelectorAll("[data-session]")) part.hidden = part.dataset.session !== state;
    if (!dialog.open) dialog.showModal();
  };
  dialog.querySelector('a[data-session="ended"]').href = SIGN_IN;
  dialog.querySelector('a[data-session="renewed"]').addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
  watch(() => show("ended"), () => show("renewed"));
}

const dialog = document.getElementById("signed-out");
if (dialog) showOn(dialog);
