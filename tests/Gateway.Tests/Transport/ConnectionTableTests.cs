using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Gateway.Transport;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>The slot's bytes, and the life of slots and ids.</summary>
public class ConnectionTableTests
{
    [Fact]
    public void A_slot_is_one_cache_line_and_holds_no_reference()
    {
        Assert.Equal(64, Unsafe.SizeOf<ConnectionSlot>());
        Assert.False(RuntimeHelpers.IsReferenceOrContainsReferences<ConnectionSlot>());
    }

    [Theory]
    [InlineData("Generation", 0, 4)]
    [InlineData("State", 4, 1)]
    [InlineData("Poll", 5, 1)]
    [InlineData("Flags", 6, 2)]
    [InlineData("Descriptor", 8, 4)]
    [InlineData("TimerNext", 12, 4)]
    [InlineData("TimerPrevious", 16, 4)]
    [InlineData("TimerDue", 20, 4)]
    [InlineData("LastReceived", 24, 4)]
    [InlineData("ApplicationDue", 28, 4)]
    [InlineData("Deadline", 32, 4)]
    [InlineData("Input", 36, 4)]
    [InlineData("Output", 40, 4)]
    [InlineData("Handed", 44, 4)]
    [InlineData("Tag", 48, 8)]
    [InlineData("InVain", 59, 1)]
    [InlineData("Flight", 60, 2)]
    [InlineData("Heat", 62, 1)]
    [InlineData("Slice", 63, 1)]
    public void Every_field_has_its_place(string name, int offset, int size)
    {
        var field = typeof(ConnectionSlot).GetField(name)!;
        Assert.Equal(offset, field.GetCustomAttribute<FieldOffsetAttribute>()!.Value);
        var type = field.FieldType.IsEnum ? Enum.GetUnderlyingType(field.FieldType) : field.FieldType;
        Assert.Equal(size, Marshal.SizeOf(type));
    }

    [Fact]
    public void The_fields_named_above_are_all_there_are()
    {
        var fields = typeof(ConnectionSlot).GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        Assert.Equal(19, fields.Length);
    }

    [Fact]
    public void An_epoll_event_has_the_kernels_layout()
    {
        var x64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        Assert.Equal(x64 ? 12 : 16, EpollEvent.Stride);
        Assert.Equal(x64 ? 4 : 8, EpollEvent.DataOffset);
        Assert.True(EpollEvent.Stride <= EpollEvent.MaxStride);
    }

    [Fact]
    public void A_released_slot_is_reused_under_a_new_generation_and_old_ids_find_nothing()
    {
        using var table = new ConnectionTable(100);
        Assert.True(table.TryTake(SlotState.Open, 7, out var index));
        var old = table.IdOf(index);
        Assert.False(Unsafe.IsNullRef(ref table.Find(old)));

        table.Release(index);
        Assert.True(Unsafe.IsNullRef(ref table.Find(old)));

        Assert.True(table.TryTake(SlotState.Open, 8, out var again));
        Assert.Equal(index, again);
        Assert.NotEqual(old, table.IdOf(again));
        Assert.True(Unsafe.IsNullRef(ref table.Find(old)));
        Assert.Equal(8, table.Find(table.IdOf(again)).Descriptor);
    }

    [Fact]
    public void The_default_id_and_ids_beyond_the_table_find_nothing()
    {
        using var table = new ConnectionTable(100);
        Assert.True(Unsafe.IsNullRef(ref table.Find(default)));
        Assert.True(table.TryTake(SlotState.Open, 7, out _));
        Assert.True(Unsafe.IsNullRef(ref table.Find(default)));
        Assert.True(Unsafe.IsNullRef(ref table.Find(new ConnectionId(uint.MaxValue, 1))));
    }

    [Fact]
    public void A_generation_that_wraps_skips_zero()
    {
        using var table = new ConnectionTable(1);
        Assert.True(table.TryTake(SlotState.Open, 7, out var index));
        table[index].Generation = uint.MaxValue;
        table.Release(index);
        Assert.True(table.TryTake(SlotState.Open, 7, out index));
        Assert.Equal(1u, table[index].Generation);
    }

    [Fact]
    public void A_reused_slot_keeps_nothing_of_its_past()
    {
        using var table = new ConnectionTable(1);
        Assert.True(table.TryTake(SlotState.Open, 7, out var index));
        ref var slot = ref table[index];
        MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref slot, 1))[5..].Fill(0xAA);
        table.Release(index);
        Assert.True(table.TryTake(SlotState.Open, 9, out index));
        Assert.Equal((PollFlags.None, SlotFlags.None, 9, 0ul, 0u, 0u, 0u), (slot.Poll, slot.Flags, slot.Descriptor, slot.Tag, slot.Input, slot.Output, slot.ApplicationDue));
        Assert.Equal((ConnectionSlot.None, ConnectionSlot.None), (slot.TimerNext, slot.TimerPrevious));
    }

    [Fact]
    public void Pages_of_free_slots_are_given_back_and_old_ids_find_nothing_ever_after()
    {
        using var table = new ConnectionTable(40_000);
        var ids = new List<ConnectionId>();
        for (var round = 0; round < 3; round++)
        {
            var before = ids.Count;
            for (var i = 0; i < 30_000; i++)
            {
                Assert.True(table.TryTake(SlotState.Open, i, out var index));
                ids.Add(table.IdOf(index));
            }

            Assert.Equal(64L * 30_016, table.HeldBytes);
            // One in the middle stays.
            foreach (var id in ids.Skip(before).Where(id => id.Slot != 15_000)) table.Release(id.Slot);
            table.Roll();
            Assert.False(table.GiveBack());
            table.Roll();
            var pieces = 0;
            while (table.GiveBack()) pieces++;
            Assert.Equal(468, pieces);
            Assert.Equal(4096, table.HeldBytes);
            Assert.Equal(15_000, table.Find(ids[before + 15_000]).Descriptor);
            table.Release(15_000);
            Assert.All(ids, id => Assert.True(Unsafe.IsNullRef(ref table.Find(id))));
        }

        Assert.Equal(ids.Count, ids.Distinct().Count());
    }

    [Fact]
    public void The_table_gives_out_its_capacity_and_then_says_no()
    {
        using var table = new ConnectionTable(40_000);
        uint taken = 0;
        while (table.TryTake(SlotState.Open, 0, out var index)) Assert.Equal(taken++, index);
        Assert.True(taken >= 40_000);
        Assert.Equal(taken, (uint)table.InUse);
        table.Release(17);
        Assert.True(table.TryTake(SlotState.Open, 0, out var reused));
        Assert.Equal(17u, reused);
        Assert.Throws<InvalidOperationException>(() =>
        {
            table.Release(3);
            table.Release(3);
        });
    }
}
