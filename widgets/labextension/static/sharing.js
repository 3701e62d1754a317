// JupyterLab plugin: files in a project's folder. "Share these files" in the file browser's menu, and, at the first save in
// a project, who can edit what is saved there. The server (spawners/node/sharing_api.py) reads and changes the files.

const FOLDER = "projects/"; // a link in every home (spawners/job)
const DEADLINE = 60_000; // ms

/** The folder that holds `path`: "a" for "a/b.txt", "" for "b.txt". */
export function folderOf(path) {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** Which project's first save a page has spoken of, whatever tab or session it was in. */
export class FirstSaves {
  constructor(storage) {
    this.storage = storage;
    this.folders = new Set(); // asked about in this page: files in one folder are in one project
  }

  /** Whether the server should be asked about a file that was saved. */
  isNew(path) {
    const folder = folderOf(path);
    return !this.folders.has(folder) && Boolean(this.folders.add(folder));
  }

  /** The sentence to show for the server's answer; undefined: this was said before, or the file is in no project. */
  sentence({ project, sentences }) {
    const key = `atrium:shared:${project}`;
    if (!project || this.storage.getItem(key) === sentences[0]) return undefined;
    this.storage.setItem(key, sentences[0]);
    return sentences[0];
  }
}

export async function plugin(load) {
  const { Dialog, ICommandPalette, Notification, showDialog } = await load("@jupyterlab/apputils");
  const { IFileBrowserFactory } = await load("@jupyterlab/filebrowser");
  const { ServerConnection } = await load("@jupyterlab/services");
  const { Widget } = await load("@lumino/widgets");

  function activate(app, browsers, palette) {
    const { contents, serverSettings: settings } = app.serviceManager;
    const firstSaves = new FirstSaves(localStorage);

    const ask = async (query, init) => {
      const request = { ...init, signal: AbortSignal.timeout(DEADLINE) };
      const answer = await ServerConnection.makeRequest(`${settings.baseUrl}atrium/sharing${query}`, request, settings);
      if (!answer.ok) throw new Error(`atrium/sharing: status ${answer.status}`);
      return answer.json();
    };

    const selected = () => [...(browsers?.tracker.currentWidget?.selectedItems() ?? [])].map((item) => item.path);

    async function share() {
      const paths = selected().map((path) => contents.localPath(path));
      try {
        const { sentences } = await ask("", { method: "POST", body: JSON.stringify({ paths }) });
        return tell(sentences);
      } catch (error) {
        console.warn("Files could not be shared:", error);
        return tell(["The notebook server did not answer. How far the files are shared is not known: try again."]);
      }
    }

    function tell(sentences) {
      const body = new Widget();
      for (const sentence of sentences) {
        const line = document.createElement("p");
        line.textContent = sentence;
        line.style.margin = "4px 0";
        body.node.append(line);
      }
      return showDialog({ title: "Share these files", body, buttons: [Dialog.okButton({ label: "Close" })] });
    }

    app.commands.addCommand("atrium:share", {
      label: "Share these files",
      caption: "Let all members of the project edit the selected files and what is in the selected folders",
      isVisible: () => selected().some((path) => contents.localPath(path).startsWith(FOLDER)),
      execute: share,
    });
    palette?.addItem({ command: "atrium:share", category: "Atrium" });
    app.contextMenu.addItem({ command: "atrium:share", selector: ".jp-DirListing-item", rank: 12 });

    contents.fileChanged.connect((_, change) => {
      const path = change.type === "save" && contents.localPath(change.newValue?.path ?? "");
      if (path && firstSaves.isNew(path)) void sayWhoCanEdit(path);
    });

    async function sayWhoCanEdit(path) {
      try {
        const sentence = firstSaves.sentence(await ask(`?${new URLSearchParams({ path })}`, { method: "GET" }));
        if (sentence) Notification.info(sentence, { autoClose: 15_000 });
      } catch (error) {
        console.warn("Who can edit this file is not known:", error);
      }
    }
  }

  return { id: "atrium-lab:sharing", autoStart: true, optional: [IFileBrowserFactory, ICommandPalette], activate };
}
