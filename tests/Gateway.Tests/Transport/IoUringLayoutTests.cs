using System.Reflection;
using System.Runtime.InteropServices;
using Gateway.Transport.Backend.Uring;
using Gateway.Transport.Connections;
using Gateway.Transport.Linux;
using Xunit;

namespace Gateway.Tests.Transport;

/// <summary>io_uring's structures as include/uapi/linux/io_uring.h has them, and what we put into user_data.</summary>
public class IoUringLayoutTests
{
    [Theory]
    [InlineData(typeof(Submission), 64)]
    [InlineData(typeof(CompletionEntry), 16)]
    [InlineData(typeof(RingParameters), 120)]
    [InlineData(typeof(FilesRegistration), 32)]
    [InlineData(typeof(RingDescriptorRegistration), 16)]
    [InlineData(typeof(BufferRingRegistration), 40)]
    [InlineData(typeof(ProvidedBuffer), 16)]
    [InlineData(typeof(WaitArgument), 24)]
    [InlineData(typeof(KernelTime), 16)]
    public void A_structure_has_the_kernels_size(Type type, int size) => Assert.Equal(size, Marshal.SizeOf(type));

    [Theory]
    [InlineData(typeof(Submission), "Operation", 0)]
    [InlineData(typeof(Submission), "Flags", 1)]
    [InlineData(typeof(Submission), "Priority", 2)]
    [InlineData(typeof(Submission), "Descriptor", 4)]
    [InlineData(typeof(Submission), "Offset", 8)]
    [InlineData(typeof(Submission), "Address", 16)]
    [InlineData(typeof(Submission), "Length", 24)]
    [InlineData(typeof(Submission), "OperationFlags", 28)]
    [InlineData(typeof(Submission), "UserData", 32)]
    [InlineData(typeof(Submission), "BufferGroup", 40)]
    [InlineData(typeof(Submission), "FileIndex", 44)]
    [InlineData(typeof(Submission), "Address3", 48)]
    [InlineData(typeof(CompletionEntry), "UserData", 0)]
    [InlineData(typeof(CompletionEntry), "Result", 8)]
    [InlineData(typeof(CompletionEntry), "Flags", 12)]
    [InlineData(typeof(RingParameters), "Features", 20)]
    [InlineData(typeof(RingParameters), "SubmissionHead", 40)]
    [InlineData(typeof(RingParameters), "SubmissionFlags", 56)]
    [InlineData(typeof(RingParameters), "CompletionHead", 80)]
    [InlineData(typeof(RingParameters), "Completions", 100)]
    [InlineData(typeof(RingParameters), "CompletionFlags", 104)]
    [InlineData(typeof(BufferRingRegistration), "Entries", 8)]
    [InlineData(typeof(BufferRingRegistration), "Group", 12)]
    [InlineData(typeof(ProvidedBuffer), "Length", 8)]
    [InlineData(typeof(ProvidedBuffer), "Id", 12)]
    [InlineData(typeof(WaitArgument), "Timeout", 16)]
    public void A_field_has_the_kernels_place(Type type, string name, int offset) =>
        Assert.Equal(offset, type.GetField(name)!.GetCustomAttribute<FieldOffsetAttribute>()!.Value);

    [Fact]
    public void User_data_names_operation_slot_and_generation()
    {
        using var table = new ConnectionTable(4);
        Assert.True(table.TryTake(SlotState.Open, 0, out var index));
        ref var slot = ref table[index];
        slot.Generation = 0xFFFF_FFFF;
        var userData = UserData.Of(Operation.Send, 0xFEDC_BA98, in slot);
        Assert.Equal(Operation.Send, UserData.OperationOf(userData));
        Assert.Equal(0xFEDC_BA98, UserData.IndexOf(userData));
        Assert.True(UserData.IsCurrent(userData, in slot));
        slot.Generation--;
        Assert.False(UserData.IsCurrent(userData, in slot));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 18_999)]
    [InlineData(DirectSocket.MaxRings - 1, IoUring.MaxDirectDescriptors - 1)]
    public void A_direct_socket_is_a_ring_and_a_place_and_never_negative(int ring, int place)
    {
        var descriptor = DirectSocket.Of(ring, place);
        Assert.Equal((ring, place), (DirectSocket.RingOf(descriptor), DirectSocket.PlaceOf(descriptor)));
        Assert.True(descriptor >= 0);
    }
}
