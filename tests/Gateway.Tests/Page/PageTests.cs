using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Gateway.Tests.Page;

/// <summary>The operator's page of a real node in a real browser: what it shows, who can use it, and that it asks nobody but the node.</summary>
public sealed class PageTests
{
    private static readonly LocatorAssertionsToHaveTextOptions Patiently = new() { Timeout = 60_000 };

    [BrowserFact]
    public async Task Axe_finds_nothing_to_mend_on_phone_and_desk_in_light_and_dark_when_calm_and_alerted()
    {
        await using var bed = await PageBed.StartAsync();
        var pages = new List<(PageLook Look, IPage Page)>();
        foreach (var look in PageLook.All) pages.Add((look, await bed.OpenAsync(look)));
        foreach (var (look, page) in pages)
        {
            await Expect(page.Locator("#headline-title")).ToHaveTextAsync("All is well", Patiently);
            await AssertAccessibleAsync(page, $"calm {look.Name}");
        }

        bed.SendToAbsent();
        foreach (var (look, page) in pages)
        {
            await Expect(page.Locator("#headline-title")).ToContainTextAsync("Problem: mailbox_backlog", new() { Timeout = 60_000 });
            await OpenEverythingAsync(page);
            await AssertAccessibleAsync(page, $"alert {look.Name}");
            Assert.Equal(look.Width, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        }

        bed.AssertNoComplaints();
    }

    [BrowserFact]
    public async Task An_alert_is_shown_without_a_reload_with_culprit_causes_and_what_to_do_and_goes_again()
    {
        await using var bed = await PageBed.StartAsync();
        var page = await bed.OpenAsync(PageLook.Desktop);
        await Expect(page.Locator("#headline-title")).ToHaveTextAsync("All is well", Patiently);
        await page.EvaluateAsync("window.loadedOnce = true");

        bed.SendToAbsent();

        await Expect(page.Locator("#headline-title")).ToContainTextAsync("Problem: mailbox_backlog of reactor", new() { Timeout = 60_000 });
        await Expect(page.Locator("#headline-why")).ToContainTextAsync("alone holds 100");
        await Expect(page.Locator("#spoken")).ToContainTextAsync("Problem: mailbox_backlog");
        await Expect(page.Locator("#headline-causes li").First).ToHaveTextAsync("a device that is connected does not acknowledge");
        await Expect(page.Locator("#headline-top li").First).ToContainTextAsync("mailbox ~");
        await Expect(page.Locator("#alerts li").First).ToContainTextAsync("MailboxBacklog");
        Assert.Contains("Problem", await page.TitleAsync(), StringComparison.Ordinal);
        // The worst queue comes first, by word and shape too.
        await Expect(page.Locator("tr.queue").First).ToContainTextAsync("mailbox_backlog", new() { Timeout = 60_000 });
        await Expect(page.Locator("tr.queue").First.Locator(".pill")).ToHaveTextAsync("▲alert");
        await Expect(page.Locator("#top-table tbody tr").First).ToContainTextAsync("100 entries", new() { Timeout = 60_000 });
        await Expect(page.Locator("#backlog-table")).ToContainTextAsync("100 to 999");
        await page.Locator("#runbook summary").ClickAsync();
        await Expect(page.Locator("#runbook-text strong").First).ToHaveTextAsync("Means.");

        bed.TakeAll();

        await Expect(page.Locator("#headline-title")).ToHaveTextAsync("All is well", Patiently);
        await Expect(page.Locator("#alerts li").First).ToContainTextAsync("cleared");
        Assert.True(await page.EvaluateAsync<bool>("window.loadedOnce"));
        bed.AssertNoComplaints();
    }

    [BrowserFact]
    public async Task The_keyboard_alone_reaches_everything_and_sorts_and_opens()
    {
        await using var bed = await PageBed.StartAsync();
        bed.SendToAbsent();
        var page = await bed.OpenAsync(PageLook.Desktop);
        await Expect(page.Locator("#headline-title")).ToContainTextAsync("Problem", new() { Timeout = 60_000 });

        var all = await page.EvaluateAsync<string[]>($"[...document.querySelectorAll('a[href], button, input, summary')].filter(e => e.checkVisibility()).map({Named})");
        Assert.True(all.Length >= 20, string.Join(", ", all));
        var reached = new List<string>();
        for (var i = 0; i < all.Length; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            reached.Add(await page.EvaluateAsync<string>($"({Named})(document.activeElement)"));
            // Where the focus is can be seen.
            Assert.NotEqual("none", await page.EvaluateAsync<string>("getComputedStyle(document.activeElement).outlineStyle"));
        }

        Assert.Equal(all.Order(), reached.Order());
        Assert.Equal("Skip to the queues", reached[0]);

        await page.Locator("[data-column=depth] button").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("[data-column=depth]")).ToHaveAttributeAsync("aria-sort", "descending");
        await page.Keyboard.PressAsync("Space");
        await Expect(page.Locator("[data-column=depth]")).ToHaveAttributeAsync("aria-sort", "ascending");
        await Expect(page.Locator("[aria-sort]")).ToHaveCountAsync(1);
        await Expect(page.Locator("tr.queue").Last).ToContainTextAsync("mailbox_backlog");

        var opened = page.Locator("tr.queue", new() { HasText = "mailbox_backlog" }).Locator("button");
        await opened.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(opened).ToHaveAttributeAsync("aria-expanded", "true");
        await Expect(page.Locator("tr.part")).ToHaveCountAsync(2);
        await Expect(page.Locator("tr.sentence")).ToContainTextAsync("queued");
        // Rows are drawn anew each second: the focus stays where it is.
        var before = await page.Locator("#freshness").TextContentAsync();
        await Expect(page.Locator("#freshness")).Not.ToHaveTextAsync(before!, Patiently);
        await Expect(opened).ToBeFocusedAsync();

        await page.Locator("#top-kinds [data-kind=senders]").FocusAsync();
        await page.Keyboard.PressAsync("Space");
        await Expect(page.Locator("[data-kind=senders]")).ToHaveAttributeAsync("aria-pressed", "true");
        await Expect(page.Locator("#top-note")).ToContainTextAsync("space-saving", new() { IgnoreCase = true, Timeout = 60_000 });
        await page.Locator("#flight summary").FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#flight-events li").Filter(new() { HasText = "logged in" }).First).ToBeVisibleAsync();
        bed.AssertNoComplaints();
    }

    [BrowserFact]
    public async Task A_node_that_goes_away_is_said_to_be_and_its_return_is_seen()
    {
        await using var bed = await PageBed.StartAsync();
        var page = await bed.OpenAsync(PageLook.Desktop);
        bed.Expected = text => text.Contains("ERR_CONNECTION", StringComparison.Ordinal) || text.Contains("ERR_EMPTY_RESPONSE", StringComparison.Ordinal);

        bed.Node.Kill();

        await Expect(page.Locator("#freshness")).ToContainTextAsync("No data since ", new() { Timeout = 60_000 });
        await Expect(page.Locator("#spoken")).ToContainTextAsync("the node cannot be reached");
        await Expect(page.Locator("#view")).ToHaveClassAsync("stale");

        await bed.Node.StartAsync();

        await Expect(page.Locator("#freshness")).ToContainTextAsync("live, ", new() { Timeout = 60_000 });
        await Expect(page.Locator("#headline-title")).ToHaveTextAsync("All is well", Patiently);
        await Expect(page.Locator("#view")).Not.ToHaveClassAsync("stale");
        bed.AssertNoComplaints();
    }

    [BrowserFact]
    public async Task Away_from_loopback_the_page_asks_for_a_token_and_keeps_it_for_the_tab()
    {
        await using var bed = await PageBed.StartAsync(host: "0.0.0.0");
        // That a status was refused is on the browser's own console.
        bed.Expected = text => text.Contains("401", StringComparison.Ordinal);
        var page = await bed.OpenAnyAsync(PageLook.All[0]);
        await Expect(page.Locator("#token-input")).ToBeFocusedAsync();
        await Expect(page.Locator("#view")).ToBeHiddenAsync();
        await AssertAccessibleAsync(page, "token");

        await page.Keyboard.TypeAsync("wrong");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#token-error")).ToContainTextAsync("does not know this token");

        await page.Keyboard.TypeAsync(new Gateway.Server.NodeKeys(bed.Node.Secret).LookToken());
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("#headline-title")).ToHaveTextAsync("All is well", Patiently);
        await page.ReloadAsync();
        await Expect(page.Locator("#headline-title")).ToHaveTextAsync("All is well", Patiently);
        await Expect(page.Locator("#token")).ToBeHiddenAsync();
        bed.AssertNoComplaints();
    }

    [BrowserFact]
    public async Task A_hidden_page_asks_nothing_and_a_shown_one_at_once()
    {
        await using var bed = await PageBed.StartAsync();
        var page = await bed.OpenAsync(PageLook.Desktop);
        var asked = 0;
        page.Request += (_, request) =>
        {
            if (request.Url.EndsWith("/status", StringComparison.Ordinal)) Interlocked.Increment(ref asked);
        };
        // A headless browser hides no page by itself.
        await page.EvaluateAsync("Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.isAway === true })");
        await page.EvaluateAsync("window.isAway = true; document.dispatchEvent(new Event('visibilitychange'))");
        await page.EvaluateAsync("new Promise(done => requestAnimationFrame(() => setTimeout(done)))");
        var before = Volatile.Read(ref asked);
        // None begins any more, however many of the page's own seconds pass.
        await page.WaitForTimeoutAsync(3_000);
        Assert.Equal(before, Volatile.Read(ref asked));

        await page.RunAndWaitForRequestAsync(
            () => page.EvaluateAsync("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))"), $"{bed.Address}status");
        bed.AssertNoComplaints();
    }

    /// <summary>What an element is called: its text, or its id.</summary>
    private const string Named = "e => (e.innerText?.trim().split('\\n')[0] || e.id)";

    private static async Task OpenEverythingAsync(IPage page)
    {
        await page.Locator("#runbook summary").ClickAsync();
        await Expect(page.Locator("#runbook-text p").First).ToBeVisibleAsync();
        await page.Locator("#flight summary").ClickAsync();
        await Expect(page.Locator("#flight-events li").First).ToBeVisibleAsync();
        await page.Locator("tr.queue button").First.ClickAsync();
        await Expect(page.Locator("tr.part")).ToHaveCountAsync(2);
    }

    private static async Task AssertAccessibleAsync(IPage page, string what)
    {
        var found = await page.RunAxe();
        Assert.True(
            found.Violations.Length == 0,
            $"{what}: {string.Join("; ", found.Violations.Select(v => $"{v.Id}: {v.Help} at {string.Join(", ", v.Nodes.Select(n => $"{n.Target} {n.Html}"))}"))}");
        Assert.NotEmpty(found.Passes);
    }
}
