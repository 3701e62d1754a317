// JupyterLab plugin: which notebooks the person has run as a page from this tab. The server asks before it runs one
// (widgets/ownserver/render.py); its page submits itself if the path is in here, so that "Render with Voilà" and
// "Render on Save" need no second click. A preview that JupyterLab restores runs no command, so it is asked about.

const COMMANDS = ["notebook:render-with-voila", "notebook:open-with-voila"];

export function plugin() {
  const paths = new Set();

  function activate(app) {
    window.atriumPreviews = paths;
    app.commands.commandExecuted.connect((_, { id }) => {
      const path = COMMANDS.includes(id) && app.shell.currentWidget?.context?.path;
      if (path) paths.add(path);
    });
  }

  return { id: "atrium-lab:preview", autoStart: true, activate };
}
