// JupyterLab plugin: says when its person has signed out, and when they are back. The page stays, because it may hold
// work that is not saved; that can be saved after signing in again in another tab.

const ENDED = {
  title: "You have signed out",
  body:
    "You signed out in another tab or browser, or your session is over. Nothing can be run or saved here now; " +
    "notebooks and jobs go on. To keep unsaved work, leave this tab open and sign in again.",
};
const RENEWED = {
  title: "You are signed in again",
  body: "Open files are saved and this page is loaded again; then your notebooks are connected with their kernels.",
};

export async function plugin(load) {
  const { Dialog, Notification } = await load("@jupyterlab/apputils");
  const { PageConfig } = await load("@jupyterlab/coreutils");

  async function watchSession(app) {
    const { SIGN_IN, watch } = await import(`${PageConfig.getBaseUrl()}atrium/static/session.js`);
    let reminder;

    const signIn = { label: "Sign in again", callback: () => void window.open(SIGN_IN, "_blank", "noopener") };
    const reload = { label: "Save and reload", callback: () => void saveAndReload() };

    async function saveAndReload() {
      await app.commands.execute("docmanager:save-all");
      location.reload();
    }

    // A dialog that cannot be overlooked; a reminder with the same action stays when it has been closed. JupyterLab shows
    // one dialog after the other: those that are open, such as "Kernel died unexpectedly", would come first.
    function show({ title, body }, action) {
      clear();
      reminder = Notification.warning(`${title}.`, { autoClose: false, actions: [action] });
      const buttons = [Dialog.cancelButton({ label: "Close this message" }), Dialog.okButton({ label: action.label })];
      new Dialog({ title, body, buttons }).launch().then((answer) => answer.button.accept && action.callback(), () => {}); // rejected by clear()
    }

    function clear() {
      if (reminder) Notification.dismiss(reminder);
      Dialog.flush();
    }

    watch(() => show(ENDED, signIn), () => show(RENEWED, reload));
  }

  // The first page comes first; JupyterLab is restored only when all plugins are active, so it is not awaited.
  function activate(app) {
    void app.restored.then(() => watchSession(app));
  }

  return { id: "atrium-lab:session", autoStart: true, activate };
}
