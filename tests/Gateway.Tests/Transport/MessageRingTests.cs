using System.Buffers.Binary;
using System.Security.Cryptography;
using Gateway.Transport.Inbox;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>The ring between two reactors: what goes in comes out, in order, and full means full.</summary>
public class MessageRingTests
{
    [Fact]
    public void An_empty_ring_gives_its_memory_back_once_it_was_hardly_used_for_an_interval_and_serves_on()
    {
        using var ring = new MessageRing(64 * 1024);
        var message = new byte[1000];
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 50; i++) Assert.True(ring.TryWrite(message, default));
            ring.Roll();
            ring.Roll();
            // What was not taken stays.
            Assert.False(ring.GiveBack());
            for (var i = 0; i < 50; i++)
            {
                message[0] = (byte)(round * 50 + i + 1);
                Assert.True(ring.TryRead(out var read));
                Assert.Equal(1000, read.Length);
                ring.Release();
            }

            Assert.True(ring.TouchedBytes >= 50_000);
            Assert.True(ring.GiveBack());
            Assert.Equal(0, ring.TouchedBytes);
            Assert.False(ring.GiveBack());
            Assert.False(ring.TryReadOldest(out _));

            Assert.True(ring.TryWrite([1, 2, 3], [4], nowMs: 9));
            Assert.True(ring.TryReadOldest(out var at));
            Assert.Equal(9u, at);
            Assert.True(ring.TryRead(out var after));
            Assert.Equal([1, 2, 3, 4], after.ToArray());
            ring.Release();
        }
    }

    [Fact]
    public void Head_and_body_come_out_as_one_message_in_order()
    {
        using var ring = new MessageRing(4096);
        Assert.False(ring.TryRead(out _));
        Assert.True(ring.TryWrite([1, 2], [3, 4, 5]));
        Assert.True(ring.TryWrite([], []));
        Assert.True(ring.TryWrite([6], []));
        Assert.Equal([[1, 2, 3, 4, 5], [], [6]], [Take(ring), Take(ring), Take(ring)]);
        Assert.False(ring.HasMessages);
    }

    [Fact]
    public void The_largest_message_fits_an_empty_ring_wherever_it_stands()
    {
        using var ring = new MessageRing(4096);
        var largest = new byte[ring.MaxPayloadBytes];
        for (var step = 0; step < 2000; step++)
        {
            Assert.True(ring.CanWrite(largest.Length));
            Assert.True(ring.TryWrite(largest, default), $"step {step}");
            Assert.Equal(largest.Length, Take(ring).Length);
            // Move on by another amount each time.
            Assert.True(ring.TryWrite(new byte[step % 61], default));
            Take(ring);
        }
    }

    [Fact]
    public void A_full_ring_refuses_until_something_was_released()
    {
        using var ring = new MessageRing(4096);
        var written = 0;
        while (ring.TryWrite(new byte[56], default)) written++;
        Assert.Equal(4096 / 64, written);
        Assert.False(ring.CanWrite(56));
        Assert.True(ring.TryRead(out _));
        Assert.False(ring.TryWrite(new byte[56], default));
        ring.Release();
        Assert.True(ring.TryWrite(new byte[56], default));
    }

    [Fact]
    public void Every_reply_that_has_a_credit_fits_at_every_position()
    {
        // As Lanes sizes it: slots + 1 of the largest cell. The power of two below must do, or rounding up would hide a fault.
        const int slots = 31;
        const int largest = 120;
        using var ring = new MessageRing((slots + 1) * MessageRing.SizeOf(largest));
        var random = new Random(3);
        var inside = 0;
        for (var step = 0; step < 200_000; step++)
        {
            if (inside < slots && random.Next(3) != 0)
            {
                Assert.True(ring.TryWrite(new byte[random.Next(largest + 1)], default), $"step {step}, {inside} inside");
                inside++;
            }
            else if (inside > 0)
            {
                Take(ring);
                inside--;
            }
        }
    }

    [Fact]
    public void A_ring_takes_no_memory_before_its_first_message()
    {
        // More than there is address space: only a ring that does not ask can be made.
        using var ring = new MessageRing(1L << 60);
        Assert.False(ring.HasMessages);
        Assert.Throws<InsufficientMemoryException>(() => ring.TryWrite([1], default));
    }

    [Fact]
    public void A_question_for_room_is_answered_once()
    {
        using var ring = new MessageRing(4096);
        Assert.False(ring.TakeRoomAsked());
        ring.AskForRoom();
        Assert.True(ring.TakeRoomAsked());
        Assert.False(ring.TakeRoomAsked());
    }

    [Fact]
    public void A_ring_that_restarts_stays_in_its_first_pages_as_long_as_it_is_emptied()
    {
        using var restarting = new MessageRing(1 << 20, restarts: true);
        using var plain = new MessageRing(1 << 20);
        var random = new Random(5);
        var (reach, plainReach) = (new Reach(), new Reach());
        for (var i = 0; i < 20_000; i++)
        {
            var message = new byte[random.Next(1, 300)];
            random.NextBytes(message);
            Assert.True(restarting.TryWrite(message, default));
            Assert.True(plain.TryWrite(message, default));
            if (i % 2 == 0) continue; // two inside at a time, then none
            Assert.Equal(reach.Take(restarting), plainReach.Take(plain));
            Assert.Equal(reach.Take(restarting), plainReach.Take(plain));
        }

        // At the end of each page it is empty or not, as chance has it.
        Assert.InRange(reach.Bytes, 1, 16 * 4096);
        Assert.InRange(plainReach.Bytes, 1_000_000, 1 << 20);
    }

    /// <summary>How far from its first message a ring ever put one.</summary>
    private sealed class Reach
    {
        private nint _first;

        public long Bytes { get; private set; }

        public unsafe byte[] Take(MessageRing ring)
        {
            Assert.True(ring.TryRead(out var message));
            fixed (byte* at = message)
            {
                if (_first == 0) _first = (nint)at;
                Bytes = Math.Max(Bytes, (nint)at - _first);
            }

            var copy = message.ToArray();
            ring.Release();
            return copy;
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_threads_pass_messages_of_every_size_without_loss_or_change(bool restarts)
    {
        const int messages = 300_000;
        using var ring = new MessageRing(16 * 1024, restarts);
        using var sent = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var received = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var producer = Task.Factory.StartNew(
            () =>
            {
                var random = new Random(11);
                var buffer = new byte[3000];
                var spin = new SpinWait();
                for (var i = 0; i < messages; i++)
                {
                    var size = random.Next(64) == 0 ? random.Next(4, buffer.Length) : random.Next(4, 64);
                    BinaryPrimitives.WriteInt32LittleEndian(buffer, i);
                    buffer[size - 1] = (byte)size;
                    sent.AppendData(buffer, 0, size);
                    var head = random.Next(size + 1);
                    while (!ring.TryWrite(buffer.AsSpan(0, head), buffer.AsSpan(head, size - head))) spin.SpinOnce();
                }
            },
            TaskCreationOptions.LongRunning);
        var wait = new SpinWait();
        for (var i = 0; i < messages; i++)
        {
            ReadOnlySpan<byte> message;
            while (!ring.TryRead(out message)) wait.SpinOnce();
            // A message of four bytes ends with its size instead of the number's last byte.
            if (message.Length > 4) Assert.Equal(i, BinaryPrimitives.ReadInt32LittleEndian(message));
            received.AppendData(message);
            ring.Release();
        }

        await producer;
        Assert.Equal(sent.GetHashAndReset(), received.GetHashAndReset());
        Assert.False(ring.TryRead(out _));
    }

    private static byte[] Take(MessageRing ring)
    {
        Assert.True(ring.TryRead(out var message));
        var copy = message.ToArray();
        ring.Release();
        return copy;
    }
}
