"""Chromium without a window, driven over a page of ours, with what it complains about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.ui import WebDriverWait

from support.tools import tool

_FLAGS = (
    "--headless=new",
    # As root, Chromium has no sandbox of its own. It sees pages of loopback only.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pictures without coloured edges and bars are the same everywhere, and small.
    "--disable-lcd-text",
    "--hide-scrollbars",
)
_PATIENCE = 20


@dataclass(frozen=True)
class Browser:
    """A running browser with one tab."""

    driver: Chrome

    def open(self, url: str) -> None:
        self.driver.get(url)

    def show(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the size of the page's window, and whether its reader likes it light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", metrics)
        preferred = {"name": "prefers-color-scheme", "value": scheme}
        self._command("Emulation.setEmulatedMedia", {"features": [preferred]})

    def scripts(self, *, run: bool) -> None:
        """Let the scripts of the pages that are opened from now on run, or not."""
        self._command("Emulation.setScriptExecutionDisabled", {"value": not run})

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """What the body of a function returns in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, script: str, *arguments: Any) -> Any:
        """Wait until the body of a function returns something that is true in the page."""
        waiting = WebDriverWait(self.driver, _PATIENCE, poll_frequency=0.05)
        return waiting.until(lambda _: self.evaluate(script, *arguments), script)

    def text(self) -> str:
        """What a reader sees of the page."""
        return str(self.evaluate("return document.body.innerText"))

    def complaints(self) -> list[str]:
        """What the console was told since it was asked last."""
        told: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in told]

    def picture(self, path: Path) -> None:
        """Keep a picture of what the window shows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))

    def _command(self, name: str, arguments: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(name, arguments)


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in an empty folder; it ends with the block."""
    options = ChromeOptions()
    options.binary_location = tool("chromium")
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, ChromeService(tool("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
