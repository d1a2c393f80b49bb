using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>What the classes of this folder share: a node of 1 or 8 homes, and devices that live where the test wants them.</summary>
public abstract class HomeTests
{
    /// <summary>With one home nothing travels; with eight, Anna, Ben and Cleo live at homes of their own.</summary>
    public static TheoryData<int> Homes => [1, 8];

    private protected static HomeNet Start(int homes, HomeOptions? options = null, int replySlots = 1024, int seed = 1) =>
        new(new HomeNetOptions { Homes = homes, Home = options ?? new HomeOptions(), ReplySlots = replySlots, Seed = seed });

    private protected static DeviceModel Anna(HomeNet net, bool login = true) => Device(net, 1, 1, login);

    private protected static DeviceModel Ben(HomeNet net, bool login = true) => Device(net, 4, 1, login);

    private protected static DeviceModel Cleo(HomeNet net, bool login = true) => Device(net, 6, 1, login);

    /// <summary>The <paramref name="ordinal"/>-th device (from 1) that lives at a home, or at the only one.</summary>
    private protected static DeviceModel Device(HomeNet net, int home, int ordinal, bool login = true)
    {
        var device = net.AddDevice(AddressAt(net.Options.Homes, home, ordinal));
        if (login) device.Login(reactor: home % net.Options.Homes);
        return device;
    }

    /// <summary>Also tells apart devices that share a home: the number holds the home and the ordinal that were asked for.</summary>
    private protected static Address AddressAt(int homes, int home, int ordinal)
    {
        for (var number = 1_000_000UL * (ulong)(home + 1) + 1000UL * (ulong)ordinal; ; number++)
        {
            var address = new Address(AddressKind.User, number);
            if (homes == 1 || HomeMap.HomeOf(address.Value, homes) == home) return address;
        }
    }

    /// <summary>A send frame that says exactly this, window or no window.</summary>
    private protected static byte[] SendOf(DeviceModel to, ulong number, ulong lowestOpen, string body)
    {
        var frame = new byte[SendFrame.FrameBytes(body.Length)];
        SendFrame.Write(frame, to.Address, number, lowestOpen, 0, SendKind.Message, System.Text.Encoding.Latin1.GetBytes(body));
        return frame;
    }

    /// <summary>A read receipt's body for numbers of an incarnation.</summary>
    private protected static string ReadBody(uint incarnation, params ulong[] numbers)
    {
        var body = new byte[8 + 8 * numbers.Length];
        BitConverter.TryWriteBytes(body, incarnation);
        for (var i = 0; i < numbers.Length; i++) BitConverter.TryWriteBytes(body.AsSpan(8 + 8 * i), numbers[i]);
        return System.Text.Encoding.Latin1.GetString(body);
    }

    /// <summary>The last error on a connection's wire, or none.</summary>
    private protected static ErrorCode ErrorOn(SimulatedConnection connection)
    {
        var wire = connection.Wire;
        var last = ErrorCode.None;
        while (FrameReader.TryRead(ref wire, 1 << 20, out var type, out var payload) == FrameStatus.Frame)
        {
            if (type == FrameType.Error && ErrorFrame.TryParse(payload, out var frame, out _)) last = frame.Code;
        }

        return last;
    }

    /// <summary>Nothing is left over anywhere once everybody has everything.</summary>
    private protected static void AssertIdle(HomeNet net)
    {
        foreach (var reactor in net.Reactors)
        {
            Assert.Equal(reactor.Home.Online, reactor.Home.Sessions);
            Assert.Equal(0, reactor.Home.Uncommitted);
            Assert.Equal(0, reactor.Home.DeliveredUnacknowledged);
            Assert.Equal(0, reactor.Home.ReceiptsOwed);
        }

        Assert.Equal(0, net.Store.Messages.Pending);
        Assert.Equal(0, net.Store.Receipts.Pending);
        Assert.True(net.Store.Messages.Balances, $"{net.Store.Messages}");
        Assert.True(net.Store.Receipts.Balances, $"{net.Store.Receipts}");
    }
}
