# SPDX-License-Identifier: Apache-2.0
"""A page in headless Chromium, driven by its DevTools protocol over a pair of pipes."""
import base64
import json
import os
import select
import subprocess
import time

PATIENCE = 120  # seconds for anything to happen; a machine may be slow
FLAGS = ("--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --mute-audio "
         "--no-first-run --disable-extensions --disable-background-networking "
         "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required "
         "--remote-debugging-pipe").split()

# What a page must not do, and what its player was asked for.
WATCH = """
window.seen = {violations: [], seeks: []};
document.addEventListener('securitypolicyviolation',
    e => seen.violations.push(e.violatedDirective + ' ' + e.blockedURI));
document.addEventListener('seeking', e => seen.seeks.push(e.target.currentTime), true);
"""


class Page:
    def __init__(self, program, folder, url):
        to_read, self.write = os.pipe()
        self.read, to_write = os.pipe()
        self.pending, self.answers, self.complaints, self.number = b"", {}, [], 0

        def pipes():  # those that Chromium looks for
            ends = [os.dup(to_read), os.dup(to_write)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.log = open(os.path.join(folder, "chromium.log"), "wb")
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}/profile", "about:blank"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env={**os.environ, "HOME": folder})
        os.close(to_read)
        os.close(to_write)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(domain + ".enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self.size(1280, 900)
        self.call("Page.navigate", url=url)
        self.wait("location.protocol !== 'about:' && document.readyState === 'complete'")

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(PATIENCE)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.read)
        os.close(self.write)
        self.log.close()

    def receive(self, until):
        if b"\0" not in self.pending:
            if not select.select([self.read], [], [], max(0, until - time.monotonic()))[0]:
                raise RuntimeError("Chromium does not answer")
            piece = os.read(self.read, 1 << 20)
            if not piece:
                raise RuntimeError("Chromium has ended")
            self.pending += piece
            return
        text, self.pending = self.pending.split(b"\0", 1)
        message = json.loads(text)
        if "id" in message:
            self.answers[message["id"]] = message
        self.notice(message.get("method"), message.get("params"))

    def notice(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(json.dumps(params["entry"]))
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append("a dialogue: " + params["message"])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while self.number not in self.answers:
            self.receive(until)
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def run(self, script):
        """The value of an expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, script):
        """Until the expression is true; its value."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.05)
        raise RuntimeError(f"never true: {script}")

    def size(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)

    def place(self, element, across=0.5):
        """Where an element (an expression) is, once it is in sight."""
        return self.run(f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center'}});"
                        "const r = e.getBoundingClientRect();"
                        f"return [r.left + r.width * {across}, r.top + r.height / 2]; }})()")

    def click(self, element, across=0.5):
        x, y = self.place(element, across)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text):
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                      windowsVirtualKeyCode=13)

    def drop(self, path):
        data = {"items": [], "files": [path], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=300, y=300, data=data)

    def screenshot(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))
