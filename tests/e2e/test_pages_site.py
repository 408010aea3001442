"""That the tests of the pages do not disturb each other."""

import httpx
from pages_site import Open, Site, an_item, queue


def test_a_page_of_an_earlier_test_takes_nothing_from_the_queue_of_this_one(
    site: Site, open_page: Open
):
    api = queue(site, an_item(1), an_item(2))
    cookies = {"stagegate_actor": "ada", "test": str(site.test - 1)}
    ahead = f"{site.url}/review/ahead"
    assert httpx.get(ahead, params={"after": "item-1"}, cookies=cookies).status_code == 404
    assert {item["state"] for item in api.items.values()} == {"ready"}
    cookies["test"] = str(site.test)
    assert httpx.get(ahead, params={"after": "item-1"}, cookies=cookies).status_code == 200
    assert api.items["item-2"]["holder"] == "ada"
