"""What a browser sends when somebody presses a button of ours."""

from tests.clusters import House

FORM = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html",
}
SCANNER = {"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}


async def press(house: House, url: str, **headers: str) -> tuple[int, str | None, str]:
    """POST as a form does; return status, Location and page."""
    async with house.session.post(url, headers={**FORM, **headers}, allow_redirects=False) as response:
        return response.status, response.headers.get("Location"), await response.text()


async def look(house: House, url: str, **headers: str) -> tuple[int, str]:
    """GET a page; return status and page."""
    async with house.session.get(url, headers={**BROWSER, **headers}, allow_redirects=False) as response:
        return response.status, await response.text()
