using System.Diagnostics;
using Gateway.Load.Cli;
using Gateway.Load.Conduct;
using Gateway.Load.Devices;
using Gateway.Load.Measure;
using Gateway.Tests.Transport;
using Xunit;

namespace Gateway.Tests.C10M;

/// <summary>The parts that measuring rests on.</summary>
public class MeasureTests
{
    [Fact]
    public void A_quantile_is_never_below_the_true_one_and_at_most_a_thirtieth_above()
    {
        var random = new Random(7);
        var histogram = new Histogram();
        var values = Enumerable.Range(0, 50_000).Select(_ => (long)Math.Exp(random.NextDouble() * 20)).ToArray();
        foreach (var value in values) histogram.Record(value);
        Array.Sort(values);
        foreach (var share in (double[])[0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1])
        {
            var exact = values[Math.Max(0, (int)Math.Ceiling(share * values.Length) - 1)];
            Assert.InRange(histogram.Quantile(share), exact, exact + exact / 30);
        }

        Assert.Equal(values[^1], histogram.Max);
        Assert.Equal(values.Length, histogram.Count());
    }

    [Fact]
    public void Every_value_lies_in_the_bucket_that_says_so()
    {
        for (long value = 0; value < 1L << 39; value = value < 5000 ? value + 1 : value + value / 7)
        {
            var bucket = Histogram.BucketOf(value);
            Assert.InRange(value, bucket == 0 ? 0 : Histogram.HighestOf(bucket - 1) + 1, Histogram.HighestOf(bucket));
        }

        Assert.Equal(Histogram.Buckets - 1, Histogram.BucketOf(long.MaxValue));
    }

    [Fact]
    public void A_snapshot_comes_through_the_wire_whole()
    {
        var snapshot = new LoadSnapshot { CpuSeconds = 1.5, AllocatedBytes = 77 };
        snapshot.Counters[Counter.Sent] = 12;
        snapshot.Counters[Counter.LastLoginAt] = 5;
        snapshot.DoubleCheck.Record(1234567);
        snapshot.DoubleCheck.Record(3);
        snapshot.Drain.Record(9);
        snapshot.AddErrors([KeyValuePair.Create("x", 3L)]);
        var twice = new LoadSnapshot();
        ShardWire.AddTo(twice, ShardWire.Format(snapshot));
        ShardWire.AddTo(twice, ShardWire.Format(snapshot));

        Assert.Equal(24, twice[Counter.Sent]);
        Assert.Equal(5, twice[Counter.LastLoginAt]);
        Assert.Equal((4, 1234567), (twice.DoubleCheck.Count(), twice.DoubleCheck.Max));
        Assert.Equal(9, twice.Drain.Quantile(1));
        Assert.Equal(6, twice.Errors["x"]);
        Assert.Equal((3.0, 154), (twice.CpuSeconds, twice.AllocatedBytes));
    }

    [Fact]
    public void The_queue_of_due_times_gives_them_back_in_order()
    {
        var random = new Random(3);
        var queue = new DueQueue(1000);
        var due = Enumerable.Range(0, 1000).Select(_ => (long)random.Next(500)).ToArray();
        for (var i = 0; i < due.Length; i++) queue.Add(i, due[i]);
        var taken = new List<long>();
        while (queue.Count > 0)
        {
            Assert.Equal(taken.Count == 0 ? due.Min() : queue.NextDue, queue.NextDue);
            taken.Add(due[queue.Take()]);
        }

        Assert.Equal(due.Order(), taken);
        Assert.Equal(long.MaxValue, queue.NextDue);
    }

    [Fact]
    public void The_chat_mix_has_the_sizes_and_the_mean_gap_it_states()
    {
        var mix = new MessageMix(MixKind.Chat, 64, seed: 11);
        var sizes = Enumerable.Range(1, 100_000).Select(i => mix.SizeOf(1, (ulong)i)).Order().ToArray();
        Assert.InRange(sizes[sizes.Length / 2], 62, 66);
        Assert.InRange(sizes.Average(), 100, 110);
        Assert.InRange(sizes[0], Payload.MinBytes, 20);
        Assert.InRange(sizes[^1], 1000, 4096);
        Assert.InRange(Enumerable.Range(1, 200_000).Average(i => mix.GapAfter(2, (ulong)i)), 0.95, 1.05);
        Assert.Equal(mix.SizeOf(9, 9), new MessageMix(MixKind.Chat, 64, seed: 11).SizeOf(9, 9));
    }

    [Fact]
    public void A_body_is_known_by_its_run_and_every_changed_byte_shows()
    {
        var payload = new Payload(run: 5, seed: 6, maxBytes: 200);
        var body = new byte[200];
        payload.Write(body, 3, 8);
        Assert.True(payload.TryRead(body, out var stream, out var index));
        Assert.Equal((3u, 8ul), (stream, index));
        Assert.True(payload.IsIntact(body, 3, 8));
        Assert.False(payload.IsIntact(body, 3, 9));
        for (var i = Payload.MinBytes; i < body.Length; i++)
        {
            body[i] ^= 0x80;
            Assert.False(payload.IsIntact(body, 3, 8));
            body[i] ^= 0x80;
        }

        Assert.False(new Payload(run: 4, seed: 6, maxBytes: 200).TryRead(body, out _, out _));
        Assert.False(payload.TryRead(body.AsSpan(0, Payload.MinBytes - 1), out _, out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_window_settled_in_any_order_ends_empty_and_keeps_its_low_mark_at_the_lowest_open(int seed)
    {
        var random = new Random(seed);
        var device = new Device { FirstNumber = 1, NextNumber = 1, LowestOpen = 1 };
        var open = new SortedSet<ulong>();
        for (var step = 0; step < 20_000; step++)
        {
            if (device.NextNumber - device.LowestOpen < 64 && random.Next(2) == 0)
            {
                open.Add(device.NextNumber++);
            }
            else if (open.Count > 0)
            {
                var number = open.ElementAt(random.Next(Math.Min(open.Count, random.Next(2) == 0 ? 1 : 64)));
                Assert.True(device.Settle(number));
                Assert.False(device.Settle(number));
                open.Remove(number);
            }

            Assert.Equal(open.Count == 0 ? device.NextNumber : open.Min, device.LowestOpen);
            Assert.Equal(open.Count, device.InFlight);
        }
    }

    [Theory]
    [InlineData(nameof(ShapeKind.Pairs), 2, 14)]
    [InlineData(nameof(ShapeKind.Exchange), 2, 14)]
    [InlineData(nameof(ShapeKind.Idle), 1, 13)]
    [InlineData(nameof(ShapeKind.Fan), 5, 23)]
    [InlineData(nameof(ShapeKind.Chatting), 6, 30)]
    [InlineData(nameof(ShapeKind.Chatting), 6, 31)]
    [InlineData(nameof(ShapeKind.Chatting), 6, 32)]
    [InlineData(nameof(ShapeKind.Chatting), 2, 14)]
    public void Slices_cover_every_device_once_and_keep_groups_together(string kind, int groupSize, int devices)
    {
        var shape = new Shape(Enum.Parse<ShapeKind>(kind), groupSize, devices);
        for (var parts = 1; parts < 9; parts++)
        {
            var slices = Enumerable.Range(0, parts).Select(i => shape.Cut(new Slice(0, devices), i, parts)).ToList();
            Assert.Equal(Enumerable.Range(0, devices), slices.SelectMany(s => Enumerable.Range(s.First, s.Count)));
            Assert.All(slices, s => Assert.Equal(0, s.First % groupSize));
            Assert.Equal(1_000_003, slices.Sum(s => s.ShareOf(1_000_003, devices)));
        }

        Assert.Equal(shape.Recipients, Enumerable.Range(0, devices).Count(shape.Receives));
        Assert.Equal(shape.Senders, Enumerable.Range(0, devices).Count(shape.Sends));
        Assert.Equal(
            Enumerable.Range(0, devices).Where(shape.Receives),
            Enumerable.Range(0, devices).Where(shape.Sends).SelectMany(s => Enumerable.Range(shape.FirstRecipientOf(s), shape.RecipientsOf(s))).Order());
        Assert.All(Enumerable.Range(0, devices).Where(shape.Receives), r => Assert.InRange(r - shape.FirstRecipientOf(shape.SenderOf(r)), 0, groupSize));
        // Where a slice keeps what it notes of its senders: each has a place of its own.
        var slots = Enumerable.Range(0, devices).Where(shape.Sends).Select(shape.SenderSlot).ToList();
        Assert.Equal(slots.Distinct(), slots);
        Assert.All(slots, s => Assert.InRange(s, 0, shape.Senders - 1));
    }

    [Fact]
    public void Those_who_chat_are_the_share_asked_for_and_are_drawn_by_the_seed()
    {
        var shape = Shape.Chatting(100_000, 0.01) with { Seed = 7 };
        var chatting = Enumerable.Range(0, 100_000).Where(i => shape.Sends(i) || shape.Receives(i)).ToList();

        Assert.Equal(1_000, chatting.Count);
        Assert.All(chatting.Where(shape.Sends), s => Assert.Equal(s, shape.SenderOf(shape.FirstRecipientOf(s))));
        // Their places in their groups are all over the group, and another seed draws others.
        Assert.InRange(chatting.Select(i => i % shape.GroupSize).Distinct().Count(), 150, 200);
        var others = shape with { Seed = 8 };
        Assert.InRange(chatting.Count(i => others.Sends(i) || others.Receives(i)), 0, 50);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(333)]
    [InlineData(1000)]
    public void As_many_devices_are_among_those_asked_for_as_were_asked_for(int wanted)
    {
        var shape = Shape.Idle(1000);
        Assert.Equal(wanted, Enumerable.Range(0, 1000).Count(i => shape.IsAmong(i, wanted)));
    }

    [Theory]
    [InlineData("1%", 0.01)]
    [InlineData("0.5%", 0.005)]
    [InlineData("0.25", 0.25)]
    [InlineData("100%", 1)]
    public void A_share_is_read(string text, double share)
    {
        Assert.True(Units.TryParseShare(text, out var read));
        Assert.Equal(share, read, 6);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("101%")]
    [InlineData("some")]
    [InlineData("-1%")]
    public void What_is_no_share_is_refused(string text) => Assert.False(Units.TryParseShare(text, out _));

    [Fact]
    public void The_worst_stretch_is_not_lost_in_the_whole()
    {
        var windows = new WorstWindow();
        var snapshot = new LoadSnapshot();
        windows.Look(1, snapshot);
        Assert.Null(windows.WorstP99Us);
        for (var second = 1; second <= 20; second++)
        {
            for (var i = 0; i < 1000; i++) snapshot.DoubleCheck.Record(second == 8 && i < 100 ? 400_000 : 60);
            windows.Look(second * 1_000_000 + 1, snapshot);
        }

        Assert.Equal(4, windows.P99Us.Count);
        Assert.Equal([60L, 60L, 60L], windows.P99Us.Where(p => p < 100));
        Assert.InRange(windows.WorstP99Us!.Value, 400_000, 413_000);
        Assert.Equal(60, snapshot.DoubleCheck.Quantile(0.99));

        // What came after the last whole stretch counts as well.
        for (var i = 0; i < 100; i++) snapshot.DoubleCheck.Record(900_000);
        windows.End(22_000_000, snapshot);
        Assert.InRange(windows.WorstP99Us!.Value, 900_000, 929_000);
    }

    [Fact]
    public void The_kernels_sockets_are_counted_by_the_servers_port_and_by_slab()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("net"));
        folder.Write("net/tcp", """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1478 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
               1: 0100007F:1478 0101007F:D1C6 08 00000001:00000000 00:00000000 00000000     0        0 2 1 0
               2: 0101007F:D1C6 0100007F:1478 08 00000000:00000000 00:00000000 00000000     0        0 3 1 0
               3: 0100007F:1478 0101007F:D1C7 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0
               4: 0100007F:1478 0101007F:D1C8 03 00000000:00000000 00:00000000 00000000     0        0 5 1 0
               5: 0100007F:1478 0101007F:D1C9 06 00000000:00000000 00:00000000 00000000     0        0 6 1 0
            """);
        folder.Write("slabinfo", """
            slabinfo - version: 2.1
            # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables
            TCPv6                  3     26   2432   13    8 : tunables    0    0    0
            sock_inode_cache     619    684    832   19    4 : tunables    0    0    0
            TCP                   12     26   2368   13    8 : tunables    0    0    0
            """);

        Assert.Equal(new KernelSockets(1, 3, 15, 619), KernelSockets.Read(folder.Path, 5240));
        Assert.Equal(new KernelSockets(0, 0, 15, 619), KernelSockets.Read(folder.Path, 5241));
        Assert.Equal(new KernelSockets(null, null, null, null), KernelSockets.Read(folder.File("nowhere"), 5240));
    }

    [Fact]
    public void A_source_address_carries_no_more_ports_than_the_kernel_finds_quickly()
    {
        var sources = SourceAddresses.For(System.Net.IPAddress.Parse("127.0.1.250"), 100_000);
        var used = Enumerable.Range(0, 100_000).GroupBy(i => sources.Of(i)!.ToString()).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(11, sources.Count);
        Assert.All(used.Values, count => Assert.InRange(count, 1, SourceAddresses.PortsEach));
        Assert.DoesNotContain("127.0.1.255", used.Keys);
        Assert.DoesNotContain("127.0.2.0", used.Keys);
        Assert.Throws<ArgumentException>(() => SourceAddresses.For(System.Net.IPAddress.Parse("127.255.255.250"), 100_000));
    }

    [Theory]
    [InlineData("30s", 30_000)]
    [InlineData("250ms", 250)]
    [InlineData("1.5m", 90_000)]
    [InlineData("2h", 7_200_000)]
    [InlineData("7", 7_000)]
    public void A_duration_is_read(string text, long ms)
    {
        Assert.True(Units.TryParseDuration(text, out var time));
        Assert.Equal(ms, time.TotalMilliseconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("1e9h")]
    [InlineData("99999999h")]
    [InlineData("1d")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(Units.TryParseDuration(text, out _));

    [Fact]
    public void A_server_is_measured_with_the_processes_that_descend_from_it()
    {
        // The outer shells only wait; the innermost works, then stays.
        using var server = Process.Start(new ProcessStartInfo(
            "sh", ["-c", "sh -c '(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exec sleep 100) & wait' & wait"]))!;
        try
        {
            var process = new ServerProcess(server.Id);
            Wait.Until(() => process.CpuSeconds() > 0.03, "the grandchild's CPU time");
            using var self = Process.GetProcessById(server.Id);
            Assert.True(self.TotalProcessorTime.TotalSeconds < 0.03, "the shell itself was to do nothing");
            Assert.True(process.MemoryBytes() > 0);
        }
        finally
        {
            server.Kill(entireProcessTree: true);
            server.WaitForExit();
        }

        Assert.Null(new ServerProcess(server.Id).CpuSeconds());
        Assert.Null(new ServerProcess(server.Id).MemoryBytes());
    }
}
