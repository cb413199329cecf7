#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""top, driven through a terminal (tmux) at three sizes, with and without colour and UTF-8: what the screen shows, keys, the mouse, resizing.

usage: run.py [PROGRAM]
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN = ROOT / "tests" / "captures" / "own"
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "mtlsnoop")
SECONDS = 8
SIZES = ((80, 24), (120, 40), (200, 60))

failures = 0


def case(name, problem):
    global failures
    if problem:
        failures += 1
        print(f"FAIL top/{name}: {problem}")
    else:
        print(f"PASS top/{name}")


class Terminal:
    """A tmux server of its own, with one window."""

    def __init__(self, command, columns, rows, **variables):
        self._name = f"mtlsnoop-top-{os.getpid()}"
        self._tmux("kill-server", check=False)
        settings = [f"{key}={value}" for key, value in {"TERM": "tmux-256color", "LC_ALL": "C.UTF-8", **variables}.items()]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, "env", *settings, *command)
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def _tmux(self, *arguments, check=True):
        done = subprocess.run(["tmux", "-L", self._name, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
        if check and done.returncode:
            raise RuntimeError(f"tmux {arguments[0]}: {done.stderr}")
        return done.stdout

    def screen(self):
        return self._tmux("capture-pane", "-p").split("\n")[:-1]

    def colours(self):
        return re.search("\x1b\\[[0-9;]*3[0-7]m", self._tmux("capture-pane", "-p", "-e"))

    def press(self, *keys):
        self._tmux("send-keys", *keys)

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def click(self, column, row):
        """xterm's first mouse report, which the terminfo entry of tmux names: button, column and row, each plus 32."""
        for button in (0, 3):
            report = b"\x1b[M" + bytes((32 + button, 32 + column, 32 + row))
            self._tmux("send-keys", "-H", *[format(byte, "02x") for byte in report])

    def resize(self, columns, rows):
        self._tmux("resize-window", "-x", columns, "-y", rows)

    def ended(self):
        return self._tmux("list-panes", "-F", "#{pane_dead}").strip() == "1"

    def wait(self, condition):
        """None, or the screen as it is when the time is over."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if condition():
                return None
            time.sleep(0.1)
        return "the screen is:\n" + "\n".join(self.screen())

    def wait_text(self, *texts):
        return self.wait(lambda: all(text in "\n".join(self.screen()) for text in texts))

    def close(self):
        self._tmux("kill-server", check=False)


def lists_at_each_size(store):
    for columns, rows in SIZES:
        terminal = Terminal([PROGRAM, "top", f"--store={store}"], columns, rows)
        try:
            size = f"{columns}x{rows}"
            case(f"{size}: services, failures and certificates are shown", terminal.wait_text("10.1.0.1:443", "SERVICE", "REASON", "EXPIRES", "certificate_required", "q quit"))
            screen = terminal.screen()
            case(f"{size}: no line is longer than the terminal", next((line for line in screen if len(line) > columns), None))
            case(f"{size}: all lines are used", None if len(screen) == rows else f"{len(screen)} lines")
            wide = "PROCESS" in screen[1]
            case(f"{size}: further columns come with the width", None if wide == (columns > 100) else f"heading is {screen[1]!r}")
            case(f"{size}: colours are used", None if terminal.colours() else "there is none")
        finally:
            terminal.close()


def keys(store):
    terminal = Terminal([PROGRAM, "top", f"--store={store}"], 100, 30)
    try:
        terminal.wait_text("10.1.0.1:443")
        terminal.press("h")
        case("h shows the help", terminal.wait_text("show only what an expression matches"))
        terminal.press("Escape")
        case("Escape goes back", terminal.wait_text("REASON"))
        terminal.press("Enter")
        case("Enter opens a service", terminal.wait_text("LAST HANDSHAKES", "handshakes "))
        terminal.press("Escape")
        terminal.wait_text("REASON")
        terminal.press("Tab", "Enter")
        case("Enter on a failure shows its ladder", terminal.wait_text("Client hello (1)"))
        terminal.press("Escape")
        terminal.wait_text("REASON")
        terminal.press("/")
        terminal.type("verdict = x")
        terminal.press("Enter")
        case("a wrong expression is told", terminal.wait_text("column 9"))
        terminal.press("C-u")
        terminal.type("server.port == 25")
        terminal.press("Enter")
        case("/ filters", terminal.wait_text("filter: server.port == 25", "10.1.0.1:25", " 1 services"))
        terminal.press("Escape")
        case("Escape ends the filter", terminal.wait_text("10.1.0.1:443"))
        terminal.press("s")
        case("s changes the order", terminal.wait_text("by count"))
        terminal.press("p")
        case("p pauses", terminal.wait_text("PAUSED"))
        terminal.press("p")
        terminal.resize(80, 24)
        case("a smaller terminal is redrawn", terminal.wait(lambda: len(terminal.screen()) == 24 and "q quit" in terminal.screen()[-1] and "PROCESS" not in terminal.screen()[1]))
        terminal.resize(30, 8)
        case("a terminal that is too small says so", terminal.wait_text("terminal too small"))
        terminal.resize(80, 24)
        case("and recovers", terminal.wait_text("q quit"))
        terminal.press("q")
        case("q ends it", terminal.wait(terminal.ended))
    finally:
        terminal.close()


def mouse(store):
    terminal = Terminal([PROGRAM, "top", f"--store={store}"], 100, 30)
    try:
        terminal.wait_text("10.1.0.1:443")
        row = next(index for index, line in enumerate(terminal.screen()) if line.startswith("10.1.0.1:443"))
        terminal.click(5, row + 1)
        terminal.click(5, row + 1)
        case("a click on the chosen service opens it", terminal.wait_text("LAST HANDSHAKES"))
    finally:
        terminal.close()


def plain_terminals(store):
    for name, variables in (("NO_COLOR", {"NO_COLOR": "1"}), ("a terminal without colours", {"TERM": "vt100"})):
        terminal = Terminal([PROGRAM, "top", f"--store={store}"], 80, 24, **variables)
        try:
            case(f"{name}: the lists are shown", terminal.wait_text("10.1.0.1:443", "q quit"))
            case(f"{name}: no colour", "there is one" if terminal.colours() else None)
        finally:
            terminal.close()
    terminal = Terminal([PROGRAM, "top", f"--store={store}"], 80, 24, LC_ALL="C")
    try:
        case("LC_ALL=C: the lists are shown", terminal.wait_text("10.1.0.1:443", "q quit"))
    finally:
        terminal.close()
    done = subprocess.run([PROGRAM, "top", f"--store={store}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
    case("no terminal: an error that says what to do", None if done.returncode == 1 and "needs a terminal" in done.stderr else f"status {done.returncode}, {done.stderr!r}")


def captures():
    terminal = Terminal([PROGRAM, "top", "-r", str(OWN / "required.pcap")], 80, 24)
    try:
        case("a capture is shown", terminal.wait_text("10.1.0.1:443", "certificate_required"))
        terminal.press("q")
        case("q ends a capture's view", terminal.wait(terminal.ended))
    finally:
        terminal.close()


def live():
    if os.geteuid():
        print("SKIP top/live: needs root")
        return
    terminal = Terminal([PROGRAM, "top", "-L", "off"], 80, 24)
    try:
        case("the live host is shown", terminal.wait_text("this host", "q quit"))
        terminal.press("q")
        case("q ends the live view", terminal.wait(terminal.ended))
    finally:
        terminal.close()


def main():
    if not shutil.which("tmux"):
        print("SKIP top: tmux is not installed")
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mtlsnoop-top."))
    folder.chmod(0o777)
    store = folder / "store.db"
    try:
        for path in sorted(OWN.glob("*.pcap*")):
            subprocess.run([PROGRAM, "-r", str(path), "-q", f"--store={store}"], stderr=subprocess.DEVNULL, timeout=SECONDS, check=True)
        lists_at_each_size(store)
        keys(store)
        mouse(store)
        plain_terminals(store)
        captures()
        live()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
