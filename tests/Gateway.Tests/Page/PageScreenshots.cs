using Gateway.Protocol;
using Gateway.Tests.EndToEnd;
using Microsoft.Playwright;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Gateway.Tests.Page;

/// <summary>
/// The pictures of the page: with GATEWAY_SCREENSHOTS set to a folder they are made there, of a node under a load of a hundred pairs for a minute, calm, and with
/// a device among them that has stopped to acknowledge.
/// </summary>
public sealed class PageScreenshots
{
    private const string Variable = "GATEWAY_SCREENSHOTS";

    private static readonly Address Stuck = new(AddressKind.User, 15559999);
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(65);

    [ScreenshotFact]
    public async Task Pictures_of_phone_and_desk_in_light_and_dark_when_calm_and_alerted()
    {
        var folder = Environment.GetEnvironmentVariable(Variable)!;
        await using var bed = await PageBed.StartAsync(alertDepth: 2_000);
        await using var load = LoadProcess.Start(bed.Node, "relay", "--pairs", "100", "--rate", "1500", "--mix", "chat", "--time", "10m", "--threads", "1");
        var pages = new List<(PageLook Look, IPage Page)>();
        foreach (var look in PageLook.All) pages.Add((look, await bed.OpenAsync(look)));

        await Task.Delay(Watched);
        await TakeAsync(pages, folder, "calm", "All is well");

        // It is connected, takes what its credit allows, and acknowledges nothing; a few others are away.
        using var stuck = new WireDevice(bed.Node.NativePort).LogIn(Stuck, bed.Node.KeyOf(Stuck));
        var senders = Enumerable.Range(0, 6).Select(i => Task.Run(() => Send(bed, i))).ToList();
        await Task.Delay(Watched);
        await TakeAsync(pages, folder, "alert", "Problem: mailbox_backlog");
        await Task.WhenAll(senders);
        Assert.False(load.HasExited, load.Errors);
        bed.AssertNoComplaints();
    }

    /// <summary>Some thousand messages to the stuck device, a few to others that are away, spread over a minute.</summary>
    private static async Task Send(PageBed bed, int index)
    {
        var address = new Address(AddressKind.User, 15551000 + (ulong)index);
        using var device = new WireDevice(bed.Node.NativePort).LogIn(address, bed.Node.KeyOf(address));
        ulong number = 0;
        for (var i = 0; i < 50; i++)
        {
            var lowest = number + 1;
            var to = index < 4 ? Stuck : new Address(AddressKind.User, 15553000 + (ulong)(i % (index * 9)));
            var batch = index < 4 ? 30 : 8;
            for (var n = 0; n < batch; n++) device.Send(to, ++number, "The table is set for seven, bring the bread."u8, lowestOpen: lowest);
            for (var n = 0; n < batch; n++) device.Expect(FrameType.Accepted);
            await Task.Delay(1_000);
        }
    }

    private static async Task TakeAsync(IEnumerable<(PageLook Look, IPage Page)> pages, string folder, string state, string title)
    {
        foreach (var (look, page) in pages)
        {
            await Expect(page.Locator("#headline-title")).ToContainTextAsync(title);
            await page.EvaluateAsync("scrollTo(0, 0)");
            await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, $"{state}-{look.Name}.png"), Animations = ScreenshotAnimations.Disabled });
            if (look.Scheme == ColorScheme.Light)
                await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, $"{state}-{look.Name}-whole.png"), FullPage = true, Animations = ScreenshotAnimations.Disabled });
        }
    }

    /// <summary>Made only when asked for: it takes minutes and writes files.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    private sealed class ScreenshotFactAttribute : FactAttribute
    {
        public ScreenshotFactAttribute()
        {
            if (Environment.GetEnvironmentVariable(Variable) is null or "") Skip = $"{Variable} names no folder for the pictures";
            else if (DebianChromium.WhyMissing is { } reason) Skip = reason;
        }
    }
}
