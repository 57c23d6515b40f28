// The web UI's module: live updates, keyboard, dialogs.
