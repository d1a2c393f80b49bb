using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Gateway.Protocol;
using Gateway.Tests.EndToEnd;

namespace Gateway.Tests.Health.Loads;

/// <summary>What a fault's clients do, a step at a time, for <see cref="LoadThreads"/>. The same in the suite and in the report of time to alert. Stateless.</summary>
internal static class FaultLoads
{
    private static readonly byte[] Body = Encoding.UTF8.GetBytes("hello");

    /// <summary>A device that sends in batches, each answered before the next.</summary>
    /// <param name="device">Logged in.</param>
    /// <param name="to">One and the same.</param>
    /// <param name="batch">At most the window, 64.</param>
    /// <param name="pause">Between two.</param>
    public static Action Sender(WireDevice device, Address to, int batch, Action pause)
    {
        ulong number = 0;
        return () =>
        {
            var lowest = number + 1;
            for (var i = 0; i < batch; i++) device.Send(to, ++number, Body, lowest);
            for (var answered = 0; answered < batch;)
            {
                if (device.Read() is not { } frame) throw new EndOfStreamException("The node closed a sender's connection.");
                // What is refused, for now, is given up with the next batch: a flood does not mind.
                if (frame.Type is FrameType.Accepted or FrameType.Refused) answered++;
                else if (frame.Type == FrameType.Error) throw new InvalidDataException("The node closes a sender's connection.");
            }

            pause();
        };
    }

    /// <summary>A client that begins to log in and gives up at once, again and again: by reset, or its ports would run out before the node is troubled.</summary>
    public static Action Storm(IPEndPoint node)
    {
        var hello = new byte[256];
        var bytes = HelloFrame.Write(hello, RandomNumberGenerator.GetBytes(Wire.NonceBytes));
        return () =>
        {
            try
            {
                using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
                socket.Connect(node);
                socket.Send(hello.AsSpan(0, bytes));
            }
            catch (SocketException)
            {
                // Sent away before it had spoken.
            }
        };
    }

    /// <summary>Takes and acknowledges everything that waits for a device.</summary>
    /// <param name="device">Logged in; it may be away before the last acknowledgement is durable.</param>
    public static void Drain(WireDevice device)
    {
        for (var left = device.Pending; left > 0; left--)
        {
            if (!DeliverFrame.TryParse(device.Expect(FrameType.Deliver), out var deliver, out var error)) throw new InvalidDataException(error.ToString());
            device.Acknowledge(deliver.Sequence);
        }
    }

    /// <summary>All but the end of the longest message a node takes: it is kept until the rest comes, and the rest does not come.</summary>
    /// <param name="device">Logged in.</param>
    /// <param name="to">Anybody.</param>
    /// <param name="missing">Bytes at its end that are not sent.</param>
    public static void SendHalf(WireDevice device, Address to, int missing)
    {
        var frame = new byte[Wire.DefaultMaxBodyBytes + 1024];
        var bytes = SendFrame.Write(frame, to, 1, 1, 0, SendKind.Message, new byte[Wire.DefaultMaxBodyBytes]);
        device.SendRaw(frame.AsSpan(0, bytes - missing));
    }
}
