"""Operates the WebUI's page in Chromium, as a user does."""

import re
import time

from .jobs import DEFAULTS

COUNT_EVENTS = """
    window.waitingFor = 0;  // events that Gradio 4 has queued, and whose end it has not sent yet
    const send = window.fetch;
    window.fetch = async (...args) => {
        const url = String(args[0].url ?? args[0]);
        if (url.includes("/queue/join")) window.waitingFor++;
        const response = await send(...args);
        if (!url.includes("/queue/data")) return response;
        const [mine, theirs] = response.body.tee();
        const count = async () => {
            let text = "";
            for await (const part of mine.pipeThrough(new TextDecoderStream())) {
                const ends = (text + part).split('"process_completed"');
                window.waitingFor -= ends.length - 1;
                text = ends.at(-1).slice(-32);
            }
        };
        count();
        return new Response(theirs, response);
    };
"""


class Page:
    def __init__(self, page, webui):
        page.add_init_script(COUNT_EVENTS)
        self.page = page
        page.set_default_timeout(300_000)  # the machine may be busy
        self.webui = webui
        self.requests = set()
        self.is_streaming = False  # Gradio 4 answers in a stream of events
        page.on("request", self.note_request)
        page.on("requestfinished", lambda request: self.requests.discard(request))
        page.on("requestfailed", lambda request: self.requests.discard(request))

    def note_request(self, request):
        """Adds a request to those that settle() waits for, unless it is Gradio 4's event stream, which stays open."""
        if "/queue/data" in request.url:
            self.is_streaming = True
        else:
            self.requests.add(request)

    def open(self):
        self.page.route("**/heartbeat/**", lambda route: route.abort())  # Gradio 4's, which never ends
        self.page.goto(f"{self.webui.url}/?__theme=light")
        self.page.wait_for_function(
            "typeof submit === 'function' && gradioApp().querySelector('#txt2img_sampling input')"
        )
        self.settle()

    def settle(self):
        """Waits until no request has run for a while. Some WebUIs set the sampler seconds after the page opened.

        With a stream of events, single results are not requests. Queued events are counted instead, and the first one
        may come late.
        """
        start = quiet_since = time.monotonic()
        while time.monotonic() < quiet_since + (4 if self.is_streaming else 1):
            assert time.monotonic() < start + 600, [request.url for request in self.requests]
            self.page.wait_for_timeout(100)
            if self.requests or self.page.evaluate("window.waitingFor"):
                quiet_since = time.monotonic()

    def __call__(self, elem_id):
        return self.page.locator(f"#{elem_id}")

    def choose(self, elem_id, value):
        self(elem_id).locator("input").click()
        self(elem_id).locator("ul li").filter(has_text=re.compile(rf"^\W*{re.escape(value)}\W*$")).click()

    def list_choices(self, elem_id):
        self(elem_id).locator("input").click()
        items = self(elem_id).locator("ul li")
        items.first.wait_for()
        found = [re.sub(r"^\W+", "", text) for text in items.all_inner_texts()]
        self(elem_id).locator("input").press("Escape")
        return found

    def value(self, elem_id):
        """Returns the value of a dropdown, a number or a text."""
        return self(elem_id).locator("input, textarea").first.input_value()

    def say(self, elem_id, value):
        """Types a value into a dropdown that accepts custom values."""
        self(elem_id).locator("input").fill(value)
        self(elem_id).locator("input").press("Enter")

    def wait_for_text(self, text):
        self.page.get_by_text(text).first.wait_for()

    def number(self, elem_id):
        return self(elem_id).locator("input[type=number]")

    def set_number(self, elem_id, value):
        self.number(elem_id).fill(str(value))
        self.number(elem_id).press("Enter")

    def see(self, elem_id, *, seen=True):
        self(elem_id).wait_for(state="visible" if seen else "hidden")

    def tab(self, name):
        self.page.locator("#tabs > .tab-nav button").get_by_text(name).click()  # ignores upper and lower case

    def open_settings(self):
        """Opens the extension's section of the settings."""
        self.tab("Settings")
        self.page.locator("#settings > .tab-nav button").get_by_text("TCD", exact=True).click()

    def paste(self, infotext, tab="txt2img"):
        self(f"{tab}_prompt").locator("textarea").fill(infotext)
        self.page.locator("#paste:visible").click()

    def make_small(self, tab="txt2img"):
        for name in ("width", "height", "steps", "cfg_scale"):
            self.set_number(f"{tab}_{name}", DEFAULTS[name])

    def choose_ui_preset(self, name):
        """Forge has buttons for them, Neo a list."""
        button = self("forge_ui_preset").get_by_label(name, exact=True)
        if button.count():
            button.check()
        else:
            self.choose("forge_ui_preset", name)

    def open_hires_fix(self):
        tick = self("txt2img_hr").locator("input[type=checkbox]").first
        if tick.count():  # without a checkbox, opening the section enables hires fix
            tick.check()
        self("txt2img_hr").locator(".label-wrap").click()
        self.see("txt2img_hr_scale")

    def generate(self, tab="txt2img"):
        """Clicks Generate and returns the text below the image when it has changed."""
        log = self(f"html_log_{tab}").first
        before = log.inner_text()
        self(f"{tab}_generate").click()
        done = "([log, before]) => log.innerText !== before && log.innerText.includes('Time taken')"
        self.page.wait_for_function(done, arg=[log.element_handle(), before])
        self.settle()
        return log.inner_text()

    def generate_with_tcd(self, gamma):
        self.choose("txt2img_sampling", "TCD")
        self.see("txt2img_tcd_gamma")
        self.make_small()
        self.set_number("txt2img_tcd_gamma", gamma)
        return self.generate()

    def see_gamma(self, tab, value):
        """Waits until the slider has this value."""
        number = f"gradioApp().querySelector('#{tab}_tcd_gamma input[type=number]').value"
        self.page.wait_for_function(f"{number} == '{value}'")
