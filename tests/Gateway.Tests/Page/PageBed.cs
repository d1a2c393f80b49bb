using System.Collections.Concurrent;
using Gateway.Protocol;
using Gateway.Tests.EndToEnd;
using Microsoft.Playwright;
using Xunit;

namespace Gateway.Tests.Page;

/// <summary>How a page is looked at.</summary>
/// <param name="Name">Of a device and a scheme, as in phone-dark.</param>
/// <param name="Width">CSS pixels.</param>
/// <param name="Height">CSS pixels.</param>
/// <param name="Scheme">Light or dark.</param>
public sealed record PageLook(string Name, int Width, int Height, ColorScheme Scheme)
{
    public static IReadOnlyList<PageLook> All { get; } =
    [
        new("phone-light", 390, 844, ColorScheme.Light), new("phone-dark", 390, 844, ColorScheme.Dark),
        new("desktop-light", 1280, 800, ColorScheme.Light), new("desktop-dark", 1280, 800, ColorScheme.Dark),
    ];

    public static PageLook Desktop => All[2];
}

/// <summary>
/// A real node in a process of its own, whose thresholds a test can reach, and pages of it in a real browser. Whatever a browser complains of on any page
/// is collected: errors and warnings of its console (violations of the policy are among them), exceptions, requests to anywhere but the node.
/// </summary>
internal sealed class PageBed : IAsyncDisposable
{
    /// <summary>Of one mailbox, from where on it is an alert here.</summary>
    public const int AlertDepth = 50;

    private static readonly Address Sender = new(AddressKind.User, 15550001);
    private static readonly Address Absent = new(AddressKind.User, 15550002);

    private readonly TemporaryFolder _folder;
    private readonly ConcurrentQueue<string> _complaints = new();
    private IPlaywright? _playwright;
    private ulong _sent;

    private PageBed(NodeProcess node, TemporaryFolder folder) => (Node, _folder) = (node, folder);

    public NodeProcess Node { get; }
    public IBrowser Browser { get; private set; } = null!;

    /// <summary>What a test expects to be complained of while it lasts, as the refused connections of a node that is gone.</summary>
    public Func<string, bool> Expected { get; set; } = _ => false;

    public string Address => $"http://127.0.0.1:{Node.Operator.Port}/";

    /// <param name="alertDepth">Of one mailbox, from where on it is an alert.</param>
    /// <param name="host">Where its operator's port is bound.</param>
    public static async Task<PageBed> StartAsync(int alertDepth = AlertDepth, string host = "127.0.0.1")
    {
        var folder = new TemporaryFolder();
        var node = await NodeProcess.StartSmallAsync(
            folder.File("data"), reactors: 2, $"--alert-mailbox-depth {alertDepth} --alert-after 0ms --alert-clear-after 0ms --durability os", host);
        var bed = new PageBed(node, folder);
        try
        {
            bed._playwright = await Playwright.CreateAsync();
            bed.Browser = await bed._playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
            {
                ExecutablePath = DebianChromium.Program,
                Env = DebianChromium.Variables,
                // As root it has no sandbox to give; it sees nothing but this node.
                ChromiumSandbox = false,
                Args = ["--disable-dev-shm-usage"],
            });
            return bed;
        }
        catch
        {
            await bed.DisposeAsync();
            throw;
        }
    }

    /// <summary>A page that shows what the node says.</summary>
    public async Task<IPage> OpenAsync(PageLook look)
    {
        var page = await OpenAnyAsync(look);
        await Assertions.Expect(page.Locator("#headline-title")).Not.ToBeEmptyAsync();
        await Assertions.Expect(page.Locator("#queue-table tbody tr.queue")).ToHaveCountAsync(8);
        return page;
    }

    /// <summary>A page, whatever it shows.</summary>
    public async Task<IPage> OpenAnyAsync(PageLook look)
    {
        var context = await Browser.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = look.Width, Height = look.Height },
            ColorScheme = look.Scheme,
            ReducedMotion = ReducedMotion.Reduce,
            TimezoneId = "UTC",
        });
        context.SetDefaultTimeout(60_000);
        var page = await context.NewPageAsync();
        page.Console += (_, said) =>
        {
            if (said.Type is "error" or "warning") Complain(said.Text);
        };
        page.PageError += (_, error) => Complain($"exception: {error}");
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(Address, StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal)) Complain($"asks elsewhere: {request.Url}");
        };
        await page.GotoAsync(Address);
        return page;
    }

    /// <summary>Messages for a device that is away, enough for an alert.</summary>
    public void SendToAbsent(int count = 2 * AlertDepth)
    {
        using var device = new WireDevice(Node.NativePort).LogIn(Sender, Node.KeyOf(Sender));
        var first = _sent + 1;
        for (var i = 0; i < count;)
        {
            // No more than a window at once.
            var batch = Math.Min(32, count - i);
            for (var n = 0; n < batch; n++) device.Send(Absent, ++_sent, "are you there?"u8, lowestOpen: first + (ulong)i);
            for (var n = 0; n < batch; n++) device.Expect(FrameType.Accepted);
            i += batch;
        }
    }

    /// <summary>The absent device comes and takes all that waits for it.</summary>
    public void TakeAll()
    {
        using var device = new WireDevice(Node.NativePort).LogIn(Absent, Node.KeyOf(Absent));
        for (var left = device.Pending; left > 0; left--)
        {
            Assert.True(DeliverFrame.TryParse(device.Expect(FrameType.Deliver), out var delivered, out _));
            device.Acknowledge(delivered.Sequence);
        }
    }

    /// <summary>Nothing but what a test expected.</summary>
    public void AssertNoComplaints() => Assert.Equal([], _complaints);

    public async ValueTask DisposeAsync()
    {
        if (Browser is not null) await Browser.DisposeAsync();
        _playwright?.Dispose();
        await Node.DisposeAsync();
        _folder.Dispose();
    }

    private void Complain(string text)
    {
        if (!Expected(text)) _complaints.Enqueue(text);
    }
}
