// JupyterLab plugins: a launcher tile, a menu and palette entries for Atrium's pages, and a launcher that is soon there;
// job.js: time and hours left; preview.js: notebooks shown as pages; sharing.js: files of projects;
// signed_out.js: the session has ended.
// Written by hand as a module-federation container (init, get), so that nothing has to be built.
(() => {
  "use strict";

  const PAGES = [
    {
      id: "atrium:start",
      label: "Go to the start page",
      caption: "Your notebooks, your projects and their hours",
      hub: "home",
    },
    {
      id: "atrium:scale",
      label: "Scale with Dask",
      caption: "Start Dask workers on the cluster",
      path: "atrium/scaling",
      tile: true,
    },
  ];

  const JOB_ENTRIES = ["atrium:time", "atrium:continue", "atrium:stop"]; // commands of job.js
  const MODULES = ["job.js", "preview.js", "sharing.js", "signed_out.js"]; // each with a plugin
  const HERE = document.currentScript.src;

  const NEEDED = [
    "@jupyterlab/application",
    "@jupyterlab/launcher",
    "@jupyterlab/mainmenu",
    "@jupyterlab/apputils",
    "@jupyterlab/ui-components",
    "@jupyterlab/coreutils",
    "@jupyterlab/filebrowser",
    "@jupyterlab/services",
    "@jupyterlab/statusbar",
    "@lumino/widgets",
  ];

  let shared;

  // JupyterLab's own copy of a package: its tokens are compared by identity.
  async function load(name) {
    const versions = Object.values(shared[name]);
    return (await versions[0].get())();
  }

  async function plugin() {
    const { ILabShell } = await load("@jupyterlab/application");
    const { ILauncher } = await load("@jupyterlab/launcher");
    const { IMainMenu } = await load("@jupyterlab/mainmenu");
    const { ICommandPalette } = await load("@jupyterlab/apputils");
    const { LabIcon } = await load("@jupyterlab/ui-components");
    const { PageConfig } = await load("@jupyterlab/coreutils");
    const { Menu } = await load("@lumino/widgets");

    // Of a page of the Hub, or of one on this server.
    function address({ hub, path }) {
      if (hub) return PageConfig.getOption("hubHost") + PageConfig.getOption("hubPrefix") + hub;
      return PageConfig.getBaseUrl() + path;
    }

    // The site's own mark; JupyterLab colours what carries its class.
    async function mark() {
      const answer = await fetch(PageConfig.getBaseUrl() + "atrium/static/mark.svg");
      const svgstr = (await answer.text()).replace("<path ", '<path class="jp-icon-brand0" fill="#2340B8" ');
      return answer.ok ? new LabIcon({ name: "atrium:mark", svgstr }) : undefined;
    }

    // JupyterLab opens its launcher only after it has saved, half a second later, the workspace it has just read.
    async function openLauncher(app, shell) {
      await app.restored;
      if (shell.isEmpty("main")) await app.commands.execute("launcher:create");
    }

    async function activate(app, launcher, mainMenu, palette, shell) {
      const forAFile = PageConfig.getOption("treePath");
      if (launcher && shell && !forAFile) openLauncher(app, shell);
      const icon = await mark();
      for (const page of PAGES) {
        app.commands.addCommand(page.id, {
          label: page.label,
          caption: page.caption,
          icon,
          execute: () => window.open(address(page), "_blank"),
        });
        if (page.tile) launcher?.add({ command: page.id, category: "Atrium", rank: 1 });
        palette?.addItem({ command: page.id, category: "Atrium" });
      }
      if (mainMenu) {
        const menu = new Menu({ commands: app.commands });
        menu.title.label = "Atrium";
        PAGES.forEach((page) => menu.addItem({ command: page.id }));
        menu.addItem({ type: "separator" });
        JOB_ENTRIES.forEach((command) => menu.addItem({ command }));
        mainMenu.addMenu(menu, true, { rank: 900 });
      }
    }

    const optional = [ILauncher, IMainMenu, ICommandPalette, ILabShell];
    return { id: "atrium-lab:pages", autoStart: true, optional, activate };
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["atrium-lab"] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      // A Voila page loads this file, too, and has neither launcher nor menu to add to.
      const inLab = NEEDED.every((name) => shared[name]);
      const imported = async (name) => (await import(new URL(name, HERE))).plugin(load);
      const plugins = inLab ? await Promise.all([plugin(), ...MODULES.map(imported)]) : [];
      return () => ({ __esModule: true, default: plugins });
    },
  };
})();
