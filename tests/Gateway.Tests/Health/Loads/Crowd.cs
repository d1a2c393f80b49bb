using System.Net.Sockets;
using System.Text;
using Gateway.Protocol;
using Gateway.Tests.EndToEnd;

namespace Gateway.Tests.Health.Loads;

/// <summary>
/// Pairs of honest devices that chat: each sender has one message under way, each recipient acknowledges at once, and who was sent away comes back. The
/// load against which a fault is put in. One thread plays them all (<see cref="Step"/>); <see cref="Delivered"/> may be read by any.
/// </summary>
internal sealed class Crowd : IDisposable
{
    private static readonly byte[] Body = Encoding.UTF8.GetBytes("how are you today?");

    private readonly Func<Address, WireDevice> _connect;
    private readonly Member[] _members;
    private long _delivered;

    private sealed class Member(Address address)
    {
        public Address Address { get; } = address;
        public WireDevice? Device { get; set; }
        public ulong Number { get; set; }
        public bool IsUnderWay { get; set; }
    }

    /// <param name="connect">Logs a device in.</param>
    /// <param name="pairs">How many.</param>
    /// <param name="who">The i-th of twice as many devices; those with even numbers send.</param>
    public Crowd(Func<Address, WireDevice> connect, int pairs, Func<int, Address> who)
    {
        _connect = connect;
        _members = [.. Enumerable.Range(0, 2 * pairs).Select(i => new Member(who(i)))];
        foreach (var member in _members) member.Device = connect(member.Address);
    }

    /// <summary>Messages that arrived.</summary>
    public long Delivered => Volatile.Read(ref _delivered);

    /// <summary>Every sender that may sends, and everybody reads what has arrived. Waits for nobody who is connected.</summary>
    public void Step()
    {
        for (var i = 0; i < _members.Length; i++)
        {
            var member = _members[i];
            try
            {
                if (member.Device is null) Return(member);
                if (i % 2 == 0) Send(member, _members[i + 1].Address);
                Hear(member);
            }
            catch (Exception e) when (e is SocketException or EndOfStreamException or InvalidDataException or WireErrorException)
            {
                Leave(member);
            }
        }
    }

    public void Dispose()
    {
        foreach (var member in _members) member.Device?.Dispose();
    }

    private void Return(Member member)
    {
        member.Device = _connect(member.Address);
        (member.Number, member.IsUnderWay) = (0, false);
    }

    private static void Leave(Member member)
    {
        member.Device?.Dispose();
        member.Device = null;
    }

    private static void Send(Member member, Address to)
    {
        if (member.IsUnderWay) return;
        member.IsUnderWay = true;
        member.Device!.Send(to, ++member.Number, Body);
    }

    private void Hear(Member member)
    {
        bool ended;
        while (member.Device!.ReadArrived(out ended) is var (type, payload))
        {
            switch (type)
            {
                case FrameType.Accepted or FrameType.Refused:
                    member.IsUnderWay = false;
                    break;
                case FrameType.Deliver when DeliverFrame.TryParse(payload, out var deliver, out _):
                    member.Device.Acknowledge(deliver.Sequence);
                    Volatile.Write(ref _delivered, _delivered + 1);
                    break;
                case FrameType.Receipt when ReceiptFrame.TryParse(payload, out var receipt, out _):
                    member.Device.Acknowledge(receipt.Sequence);
                    break;
                case FrameType.Ping when PingFrame.TryParse(payload, out var ping, out _):
                    var pong = new byte[PingFrame.FrameBytes];
                    PingFrame.WritePong(pong, ping.Token);
                    member.Device.SendRaw(pong);
                    break;
                case FrameType.Error or FrameType.GoAway:
                    Leave(member);
                    return;
            }
        }

        if (ended) Leave(member);
    }
}
