using System.Runtime.CompilerServices;
using Gateway.Messaging;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>What a home keeps of a device, in bytes (src/SEAMS.md, "What an idle connection costs"), and how it grows.</summary>
public class StructureTests
{
    [Fact]
    public void The_structures_that_a_home_keeps_very_many_of_have_their_size()
    {
        Assert.Equal(40, Unsafe.SizeOf<IdleSession>());
        Assert.Equal(40, Unsafe.SizeOf<SendWindow>());
        Assert.Equal(128, Unsafe.SizeOf<Session>());
        Assert.Equal(40, Unsafe.SizeOf<DeliveredEntry>());
        Assert.Equal(24, Unsafe.SizeOf<OwedReceipt>());
    }

    [Fact]
    public void Very_many_windows_are_found_again_and_so_is_nobody_else()
    {
        var windows = new WindowTable();
        const uint count = 300_000;
        // Neighbours and multiples of a large power of two, as numbering plans have them.
        static ulong Device(uint i) => (i & 1) == 0 ? i + 1 : (ulong)i << 32;
        for (uint i = 0; i < count; i++)
        {
            var index = windows.Add(Device(i));
            windows[index].Low = i;
        }

        Assert.Equal((int)count, windows.Count);
        for (uint i = 0; i < count; i++)
        {
            var index = windows.Find(Device(i));
            Assert.True(index != 0 && windows[index].Low == i, $"window {i} is lost");
            Assert.Equal(0u, windows.Find(Device(i + count)));
        }
    }

    [Fact]
    public void A_table_grows_by_small_steps_and_leaves_no_garbage()
    {
        var windows = new WindowTable();
        const int count = 300_000;
        var largest = 0L;
        var start = GC.GetAllocatedBytesForCurrentThread();
        for (ulong device = 1; device <= count; device++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            windows.Add(device);
            largest = Math.Max(largest, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        var bytes = (double)(GC.GetAllocatedBytesForCurrentThread() - start) / count;
        // The window, its bucket, and what chunks and their directories add.
        Assert.InRange(bytes, 44, 45);
        // A chunk of each kind and the directories; the last were of a few thousand references. All buckets at once would be 1 MB.
        Assert.InRange(largest, 1, 64 * 1024);
    }

    [Fact]
    public void Windows_that_stay_are_found_while_others_go_in_any_order()
    {
        var windows = new WindowTable();
        const int count = 5_000;
        var random = new Random(3);
        var here = new Dictionary<ulong, ulong>();
        for (var step = 0; step < 60_000; step++)
        {
            // Grows, shrinks to nothing, and grows again.
            var grows = random.Next(count) >= Math.Abs(step - 30_000) / 6 ^ step > 50_000;
            if (grows && here.Count < count)
            {
                var device = (ulong)random.Next(1, 1 << 30) << 10;
                if (!here.TryAdd(device, (ulong)step)) continue;
                windows[windows.Add(device)].Low = (ulong)step;
            }
            else if (here.Count > 0)
            {
                var device = windows[(uint)random.Next(1, windows.Count + 1)].Device;
                windows.Remove(windows.Find(device));
                Assert.True(here.Remove(device));
                Assert.Equal(0u, windows.Find(device));
            }

            if (step % 2_500 != 0) continue;
            Assert.Equal(here.Count, windows.Count);
            foreach (var (device, low) in here) Assert.Equal(low, windows[windows.Find(device)].Low);
        }
    }

    [Fact]
    public void A_table_that_shrinks_gives_its_memory_back()
    {
        var windows = new WindowTable();
        const int count = 100_000;
        for (ulong device = 1; device <= count; device++) windows.Add(device);
        for (ulong device = 1; device <= count; device++) windows.Remove(windows.Find(device));
        Assert.Equal(0, windows.Count);

        // What it kept is what growing again does not have to allocate.
        var start = GC.GetAllocatedBytesForCurrentThread();
        for (ulong device = 1; device <= count; device++) windows.Add(device);
        var kept = count * (40L + 4) - (GC.GetAllocatedBytesForCurrentThread() - start);
        // Two chunks of windows and of buckets.
        Assert.InRange(kept, 0, 100 * 1024);
        start = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            windows.Remove(windows.Find(count));
            windows.Add(count);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - start);
    }

    [Fact]
    public void A_window_tells_its_session_from_when_it_was_used()
    {
        var window = default(SendWindow);
        Assert.Equal((0u, 0u), (window.Session, window.UsedAt));
        window.UsedAt = 4_000_000_000;
        Assert.Equal((0u, 4_000_000_000u), (window.Session, window.UsedAt));
        window.Session = 77;
        Assert.Equal((77u, 0u), (window.Session, window.UsedAt));
        window.UsedAt = uint.MaxValue;
        Assert.Equal((0u, uint.MaxValue - 1), (window.Session, window.UsedAt));
    }

    [Fact]
    public void A_slab_gives_out_cleared_structures_and_reuses_the_returned_ones_without_allocating()
    {
        var slab = new Slab<DeliveredEntry>(1000);
        uint[] indices = [.. Enumerable.Range(0, 1000).Select(_ => slab.Rent())];
        Assert.Equal(1000, indices.Distinct().Count());
        Assert.DoesNotContain(0u, indices);
        Assert.True(slab.IsFull);
        Assert.Equal(0u, slab.Rent());
        foreach (var index in indices) slab[index] = new DeliveredEntry { Sequence = ulong.MaxValue, Sender = ulong.MaxValue, Next = index };
        foreach (var index in indices) Assert.Equal(index, slab[index].Next);

        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var index in indices) slab.Return(index);
        var again = 0;
        for (uint index; (index = slab.Rent()) != 0; again++)
        {
            if (slab[index].Sequence != 0 || slab[index].Sender != 0 || slab[index].Next != 0) again = -10_000;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1000, again);
        Assert.Equal(1001u, slab.End);
    }

    [Fact]
    public void Bodies_kept_for_a_commit_begin_anew_at_the_start_of_their_ring_once_none_is_left()
    {
        var commits = new CommitQueue(maxCount: 1000, hotBytes: 64 * 1024, gauge: null);
        for (var round = 1; round <= 1000; round++)
        {
            for (var i = 0; i < 3; i++)
            {
                var added = new PendingCommit { Position = round };
                commits.Enqueue(in added, new byte[100], keepHot: true, nowMs: 0);
            }

            for (var i = 0; i < 3; i++)
            {
                Assert.True(commits.TryPeek(round, out var pending));
                Assert.Equal(100 * i, pending.HotOffset);
                commits.Dequeue();
            }
        }
    }
}
