#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The page of gemma4-search serve in headless Chromium, as somebody uses it: a sentence, a click on
an answer and on a strip, a picture dropped, films whose names are markup, a telephone. Writes TAP;
with G4_SCREENSHOTS=DIR pictures of each, to be looked at."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True  # the source stays as it is
import chromium

# Would say so in the title and as an alert, were it taken for markup.
HOSTILE = "<img src=x onerror=\"document.title='taken'; alert(1)\"> & <b>bold<!--.webm"
FILMS = {"bars and snow.webm": ("smpte", "snow"), HOSTILE: ("ball", "checkers-8")}
SECONDS = 4  # of each of a film's two shots
NAMES = ["the page says what is in the index", "a sentence finds moments with time codes",
         "their frames are shown", "a click plays the film at its moment",
         "strips of the score are drawn", "a click on a strip plays the film there",
         "a dropped picture finds its moment", "names of films are text",
         "an emptied search shows the films again", "nothing sticks out on a telephone",
         "neither errors nor violations of the policy", "a film that is gone is said to be",
         "many films leave the answers in sight"]
number = failed = 0


def check(function):
    global number, failed
    name = NAMES[number]
    number += 1
    try:
        function()
        print(f"ok {number} {name}", flush=True)
    except (AssertionError, RuntimeError, OSError):
        failed += 1
        print(f"not ok {number} {name}")
        print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)


def make_films(folder):
    for name, (first, second) in FILMS.items():
        shots = [f"videotestsrc pattern={pattern} num-buffers={SECONDS * 8} ! video/x-raw,width=160,"
                 f"height=120,framerate=8/1 ! c." for pattern in (first, second)]
        subprocess.run(["gst-launch-1.0", "-q", *"concat name=c ! videoconvert ! vp8enc deadline=1 "
                        "keyframe-max-dist=8 ! webmmux ! filesink".split(), f"location={folder}/film",
                        *" ".join(shots).split()], check=True)
        os.rename(f"{folder}/film", os.path.join(folder, name))


def screenshot(page, name):
    if os.environ.get("G4_SCREENSHOTS"):
        page.screenshot(os.path.join(os.environ["G4_SCREENSHOTS"], name + ".png"))


ANSWERS = "[...document.querySelectorAll('.answer')].filter(a => a.querySelector('.bar'))"


def steps(page, folder):
    def page_says_what_is_there():
        page.wait("document.getElementById('status').textContent.includes('32 frames of 2 films')")
        assert page.run("document.querySelectorAll('.answer').length") == 2
        screenshot(page, "films")
    check(page_says_what_is_there)

    def sentence_finds_moments():
        page.click("document.getElementById('query')")
        page.type("a red car")
        page.wait(ANSWERS + ".length")
        codes = page.run(ANSWERS + ".map(a => a.querySelector('b').textContent)")
        assert codes and all(re.fullmatch(r"\d+:\d\d\.\d", code) for code in codes), codes
        assert len({*codes}) > 1, codes
    check(sentence_finds_moments)

    def frames_are_shown():
        page.run("[...document.images].forEach(i => i.loading = 'eager')")
        page.wait("[...document.images].every(i => i.complete)")
        widths = page.run("[...document.images].map(i => i.naturalWidth)")
        assert min(widths) > 0, widths
        screenshot(page, "answers")
    check(frames_are_shown)

    def click_plays():
        # An answer that is not at the film's beginning, where it would be without a seek.
        answer = ANSWERS + ".find(a => a.querySelector('b').textContent > '0:01')"
        minutes, seconds = page.run(answer + ".querySelector('b').textContent").split(":")
        at = int(minutes) * 60 + float(seconds)
        name = page.run(answer + ".querySelector('.film').textContent")
        page.click(answer)
        seek = page.wait("seen.seeks.length && seen.seeks")[0]
        assert at <= seek < at + 0.1, (seek, at)
        page.wait("document.getElementById('video').currentTime > " + str(seek))
        page.wait("document.getElementById('video').readyState >= 2")
        assert page.run("document.getElementById('video').videoWidth") == 160
        assert page.run("document.getElementById('playing').textContent").startswith(name)
        screenshot(page, "player")
    check(click_plays)

    def strips_are_drawn():
        lit = page.run("""[...document.querySelectorAll('canvas')].map(c => {
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let n = 0;
            for (let i = 3; i < d.length; i += 4) n += d[i] > 0;
            return n / (c.width * c.height); })""")
        assert len(lit) == 2 and all(0.001 < part < 1 for part in lit), lit
        assert max(lit) > 0.05, lit
    check(strips_are_drawn)

    def click_on_strip():
        page.run("seen.seeks = []")
        page.click("document.querySelectorAll('canvas')[1]", across=0.75)
        seek = page.wait("seen.seeks.length && seen.seeks")[-1]
        assert abs(seek - 0.75 * 2 * SECONDS) < 0.2, seek
    check(click_on_strip)

    def dropped_picture():
        # As one of the films begins.
        picture = os.path.join(folder, "frame.png")
        subprocess.run(["gst-launch-1.0", "-q", *"videotestsrc pattern=ball num-buffers=1 ! "
                        "video/x-raw,width=160,height=120 ! pngenc ! filesink".split(),
                        f"location={picture}"], check=True)
        page.drop(picture)
        page.wait("document.getElementById('query').value === ''")
        page.wait("document.getElementById('status').textContent.includes('moments')")
        assert page.run(ANSWERS + "[0].querySelector('.film').textContent") == HOSTILE
        assert float(page.run(ANSWERS + "[0].querySelector('em').textContent")) > 0.8
        assert page.run("document.getElementById('drop').hidden")
        screenshot(page, "dropped")
    check(dropped_picture)

    def names_are_text():
        assert page.run("[...document.querySelectorAll('.film')].some(f => f.textContent === "
                        + json.dumps(HOSTILE) + ")")
        assert page.run("document.querySelectorAll('.film *, #playing *, .name b *').length") == 0
        assert page.run("document.title") == "gemma4-search"
    check(names_are_text)

    def emptied_search():
        page.click("document.getElementById('query')")
        page.type("a dog")
        page.wait("document.getElementById('query').value && " + ANSWERS + ".length")
        page.run("(q => { q.value = ''; q.dispatchEvent(new Event('input')); })"
                 "(document.getElementById('query'))")
        page.wait("document.querySelectorAll('.answer').length === 2")
    check(emptied_search)

    def telephone():
        page.size(360, 740, phone=True)
        page.click("document.getElementById('query')")
        page.type("a red car")
        page.wait(ANSWERS + ".length")
        page.run("scrollTo(0, 0)")
        screenshot(page, "telephone")
        assert page.run("document.documentElement.scrollWidth") <= 360
    check(telephone)

    def nothing_to_complain_of():
        assert page.complaints == [], page.complaints
        assert page.run("seen.violations") == []
    check(nothing_to_complain_of)

    # What follows asks for a film that there is not, of which the browser complains.
    def film_that_is_gone():
        page.run("document.getElementById('answers').replaceChildren("
                 "frameCard(4711, '0', 'gone', 0))")
        page.wait("document.querySelector('#answers .none') !== null")
        assert page.run("document.images.length") == 0
        assert "cannot be read" in page.run("document.querySelector('.none').textContent")
    check(film_that_is_gone)

    def many_films():
        page.run("show({answers: [], frames: 7, low: 0, high: 1, milliseconds: 0, strips: "
                 "[...Array(7).keys()].map(film => ({film, name: `film ${film}`, length: 1, "
                 "best: 1, points: [0, 1]}))})")
        assert page.run("document.querySelectorAll('.strip').length") == 3
        page.click("document.querySelector('.more')")
        assert page.run("document.querySelectorAll('.strip').length") == 7
        assert page.run("document.querySelectorAll('.more').length") == 0
        assert min(page.run("strips.map(s => s.canvas.width)")) > 100
    check(many_films)


def main():
    print(f"1..{len(NAMES)}")
    program = shutil.which("chromium")
    if program is None:
        for i, name in enumerate(NAMES, 1):
            print(f"ok {i} {name} # SKIP no Chromium")
        return 0
    search = os.path.join(os.environ["G4_BUILD"], "pipelines", "search", "gemma4-search")
    model = os.path.join(os.environ["G4_TEST_DATA"], "embedding_case")
    with tempfile.TemporaryDirectory(dir=os.environ["G4_TEST_TMP"]) as folder:
        make_films(folder)
        database = os.path.join(folder, "films.db")
        subprocess.run([search, "index", "--db", database, "--model", model, "--precision", "f32",
                        "--rate", "2", "--quiet", *(os.path.join(folder, f) for f in FILMS)],
                       check=True, stdout=subprocess.DEVNULL)
        with subprocess.Popen([search, "serve", "--db", database, "--precision", "f32", "--port",
                               "0"], stdout=subprocess.PIPE, text=True) as server:
            try:
                page = chromium.Page(program, folder, server.stdout.readline().strip())
                try:
                    steps(page, folder)
                finally:
                    page.close()
            finally:
                server.terminate()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
