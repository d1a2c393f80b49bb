using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Gateway.Protocol;
using Gateway.Tests.EndToEnd;
using Xunit;
using Xunit.Abstractions;

namespace Gateway.Tests.Health;

/// <summary>
/// Eight faults, one at a time: the first alert that is raised names the true culprit. How long that takes is no matter for a test; with
/// GATEWAY_ALERT_TABLE set to a path each appends its row of the table there, for the report.
/// </summary>
public sealed class FaultTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_slow_disk()
    {
        await using var bed = await FaultBed.StartAsync(options => options with { Durability = Gateway.Server.Durability.Fsync });
        bed.Load(bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 1, TimeSpan.FromMilliseconds(50)));

        bed.Files.OnSync = _ => bed.Stopped.WaitHandle.WaitOne(2_000);

        await AssertFirstAsync(bed, "a slow disk", "CommitSlow{commits} raised: the disk: a commit takes ");
    }

    [Fact]
    public async Task One_stuck_reactor()
    {
        await using var bed = await FaultBed.StartAsync();
        bed.Load(bed.Sender(HomedAt(0, 1), HomedAt(0, 100), batch: 1, TimeSpan.FromMilliseconds(50)));

        Assert.True(bed.Node.TryPost(1, () => bed.Stopped.WaitHandle.WaitOne()));

        await AssertFirstAsync(bed, "one stuck reactor", "ReactorStalled raised: reactor 1 has not begun a turn for ");
    }

    [Fact]
    public async Task A_flooding_sender()
    {
        await using var bed = await FaultBed.StartAsync(thresholds: t => t with { MailboxDepth = 1_000_000 });
        for (var i = 0; i < 4; i++) bed.Load(bed.Sender(FaultBed.User(10 + i), FaultBed.User(20 + i), batch: 1, TimeSpan.FromMilliseconds(100)));

        bed.Load(bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 32, TimeSpan.Zero));

        await AssertFirstAsync(bed, "a flooding sender", $"SenderFlood raised: sender {bed.Keys.Pseudonym(FaultBed.User(1))} of reactor ");
    }

    [Fact]
    public async Task A_never_reading_recipient_with_a_hot_mailbox()
    {
        await using var bed = await FaultBed.StartAsync();
        using var reader = bed.Connect(FaultBed.User(2), creditMessages: 8);

        for (var i = 0; i < 5; i++) bed.Load(bed.Sender(FaultBed.User(10 + i), FaultBed.User(2), batch: 8, TimeSpan.FromMilliseconds(100)));

        var line = await AssertFirstAsync(bed, "a never-reading recipient with a hot mailbox", "MailboxBacklog{mailbox_backlog} raised: mailboxes of reactor ");
        Assert.Contains($"{bed.Keys.Pseudonym(FaultBed.User(2))} alone holds ", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_storm()
    {
        await using var bed = await FaultBed.StartAsync();
        bed.Load(bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 1, TimeSpan.FromMilliseconds(50)));

        for (var i = 0; i < 4; i++)
        {
            var device = FaultBed.User(100 + i);
            bed.Load(() =>
            {
                try
                {
                    bed.Connect(device).Dispose();
                }
                catch (Exception e) when (e is InvalidDataException or EndOfStreamException or WireErrorException or SocketException)
                {
                    // Sent away, which is the node's answer to a storm, or taken over by itself.
                }
            });
        }

        await AssertFirstAsync(bed, "a login storm", "LoginStorm{handshakes} raised: connections from outside: ");
    }

    [Fact]
    public async Task A_hanging_webhook()
    {
        // It takes connections and never answers.
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();
        await using var bed = await FaultBed.StartAsync(thresholds: t => t with { Webhook = $"http://{deaf.LocalEndpoint}" });
        bed.Load(bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 1, TimeSpan.FromMilliseconds(200)));

        var line = await AssertFirstAsync(bed, "a hanging webhook", "WebhookFailing raised: the webhook has taken nothing for ");
        Assert.Contains($"http://{deaf.LocalEndpoint} did not answer within 5 s", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_near_its_hard_mark()
    {
        await using var bed = await FaultBed.StartAsync(options => options with { BufferSoft = 1 << 20, BufferHard = 1 << 20 });
        bed.Load(bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 1, TimeSpan.FromMilliseconds(50)));

        // Half a frame each, of the longest: it is kept until the rest comes, and the rest does not come.
        var frame = new byte[Wire.DefaultMaxBodyBytes + 1024];
        var bytes = SendFrame.Write(frame, FaultBed.User(2), 1, 1, 0, SendKind.Message, new byte[Wire.DefaultMaxBodyBytes]);
        // All log in first: nobody is let in any more once buffers are full.
        var devices = Enumerable.Range(0, 24).Select(i => bed.Connect(FaultBed.User(200 + i))).ToList();
        foreach (var device in devices) device.SendRaw(frame.AsSpan(0, bytes - 4096));

        var line = await AssertFirstAsync(bed, "memory near its hard mark", "MemoryHigh{send_leases} raised: buffers hold ");
        Assert.Contains(Enumerable.Range(0, 24), i => line.Contains($"{bed.Keys.Pseudonym(FaultBed.User(200 + i))} (", StringComparison.Ordinal));
        Assert.Contains("of an unfinished frame for ", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cold_reader_on_old_segments()
    {
        await using var bed = await FaultBed.StartAsync();
        var send = bed.Sender(FaultBed.User(1), FaultBed.User(2), batch: 20, TimeSpan.Zero);
        for (var i = 0; i < 10; i++) send();

        bed.Files.OnRead = _ => bed.Stopped.WaitHandle.WaitOne(3_000);
        using var reader = bed.Connect(FaultBed.User(2));

        await AssertFirstAsync(bed, "a cold reader on old segments", "ColdReadsSlow{cold_reads} raised: reading old segments of the log: reactor ");
    }

    /// <summary>A device whose home, of two, is this one; the how-manieth from a number on.</summary>
    private static Address HomedAt(int reactor, int from) =>
        Enumerable.Range(from, 1000).Select(FaultBed.User).First(d => Gateway.Messaging.HomeMap.HomeOf(d.Value, 2) == reactor);

    private async Task<string> AssertFirstAsync(FaultBed bed, string fault, string expected)
    {
        var (line, after) = await bed.FirstAlertAsync();
        var row = string.Create(CultureInfo.InvariantCulture, $"| {fault} | {line[(line.IndexOf("alert ", StringComparison.Ordinal) + 6)..].Split(". Usual causes")[0]} | {after.TotalSeconds:0.0} s |");
        output.WriteLine(row);
        Assert.Contains($"alert {expected}", line, StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable("GATEWAY_ALERT_TABLE") is { Length: > 0 } table) await File.AppendAllTextAsync(table, row + "\n");
        return line;
    }
}
