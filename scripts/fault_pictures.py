#!/usr/bin/env python3
"""Pictures of the live page for docs/diagnosis.md: one of each fault, once it is named.

    .venv/bin/python scripts/fault_pictures.py [CAUSE...]

Needs the release binaries, chromium with its driver, and Pillow; a minute and more for each cause.
"""

import io
import pathlib
import shutil
import sys
import time

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Clients"))

import scenes  # noqa: E402  (found by the line above)

FOLDER = ROOT / "docs/operating/faults"
WIDTH, HEIGHT, COLOURS = 1_000, 1_150, 160


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 f"--window-size={WIDTH},{HEIGHT}", "--force-color-profile=srgb"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def named(scene, cause):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if any(row["cause"] == cause for row in scene.findings()):
            return
        time.sleep(0.2)
    raise SystemExit(f"{cause} was not named")


def picture(driver, cause):
    scenario = scenes.SCENES[cause]
    scene = scenes.Scene(**scenario.fleet)
    try:
        driver.get(scene.gateway.admin + "/dashboard")
        time.sleep(scenes.HEALTHY)
        scenario.begin(scene)
        named(scene, cause)
        # What it looks like some seconds into the incident, its first finding opened.
        time.sleep(8)
        driver.execute_script("document.querySelector('#diagnosis summary').click();"
                              "document.querySelector('[data-minutes=\"2\"]').click()")
        time.sleep(1.2)
        shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
        shot.quantize(COLOURS, dither=Image.Dither.NONE).save(
            FOLDER / f"{cause}.png", optimize=True)
    finally:
        scene.stop()


def main():
    FOLDER.mkdir(exist_ok=True)
    driver = browser()
    try:
        for cause in sys.argv[1:] or scenes.SCENES:
            picture(driver, cause)
            print(cause)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
