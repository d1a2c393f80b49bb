using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Gateway.Messaging;
using Gateway.Protocol;
using Gateway.Simulation;
using Xunit;

namespace Gateway.Tests.Messaging;

/// <summary>
/// A steady-state message allocates no managed byte in a home. Measured around the calls into homes, less what their surroundings (log, lanes,
/// connections: all simulated here, and free to allocate) took inside those calls.
/// </summary>
public class AllocationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void A_hundred_thousand_messages_with_their_receipts_allocate_nothing_in_a_home(int homes)
    {
        var node = new MeteredNode(homes);
        node.Exchange(rounds: 500);
        GC.Collect();
        // A home does the same each time, and would show each time; a collection that a test beside this one caused may blur the count once.
        var least = long.MaxValue;
        for (var i = 0; i < 5 && least != 0; i++)
        {
            node.Meter.Reset();
            node.Exchange(rounds: 100_000 / MeteredNode.MessagesPerRound);
            least = Math.Min(least, node.Meter.Bytes);
        }

        Assert.Equal(0, least);
        Assert.True(node.Acknowledged >= 100_000, $"only {node.Acknowledged} entries were acknowledged");
        Assert.True(node.ReceiptsHeard >= 100_000 / MeteredNode.MessagesPerRound);
    }

    [Fact]
    public void The_meter_sees_what_a_home_allocates()
    {
        var node = new MeteredNode(homes: 1);
        node.Exchange(rounds: 1);
        node.Meter.Reset();
        node.Meter.Enter();
        _ = RuntimeHelpers.GetUninitializedObject(typeof(object));
        node.Meter.Exit();
        Assert.True(node.Meter.Bytes > 0);
    }

    /// <summary>Bytes this thread allocated between entering and exiting, less what it allocated between leaving and coming back.</summary>
    private sealed class AllocationMeter
    {
        private long _start;
        private long _outside;

        public long Bytes { get; private set; }

        public void Reset() => Bytes = 0;

        public void Enter() => _start = GC.GetAllocatedBytesForCurrentThread();

        public void Exit() => Bytes += GC.GetAllocatedBytesForCurrentThread() - _start;

        public void Leave() => _outside = GC.GetAllocatedBytesForCurrentThread();

        public void Return() => _start += GC.GetAllocatedBytesForCurrentThread() - _outside;
    }

    /// <summary>Two devices on one or two homes, each writing to the other; with nothing between a frame and its home.</summary>
    private sealed class MeteredNode : IConnections, IHomeLinks, IHomeEvents
    {
        public const int MessagesPerRound = 40;

        private readonly SimulatedClock _clock = new();
        private readonly MemoryLogStore _store;
        private readonly Home[] _homes;
        private readonly Address[] _devices = new Address[2];
        private readonly uint[] _sessions = new uint[2];
        private readonly ulong[] _highest = new ulong[2];
        private readonly ulong[] _numbers = [1, 1];
        private readonly Queue<(int To, bool IsReply, byte[] Message)> _lane = new();
        private readonly byte[] _span = new byte[100_000];
        private readonly byte[] _frame = new byte[1000];
        private ulong _spanOf;

        public MeteredNode(int homes)
        {
            _store = new MemoryLogStore(homes, () => _clock.UnixMicros) { ReadsAtOnce = true };
            _homes = [.. Enumerable.Range(0, homes).Select(i => new Home(i, homes, new HomeOptions(), new MeteredLog(_store.Homes[i], Meter), this, this, this))];
            for (var i = 0; i < 2; i++)
            {
                for (var number = 1UL; ; number++)
                {
                    _devices[i] = new Address(AddressKind.User, number);
                    if (HomeMap.HomeOf(_devices[i].Value, homes) == i % homes && (i == 0 || number != _devices[0].Number)) break;
                }

                var login = new Login { Address = _devices[i].Value, CreditMessages = 1000, CreditBytes = 1_000_000 };
                HomeOf(i).SetTime(_clock.NowMs, _clock.UnixMicros);
                _sessions[i] = HomeOf(i).OnLogin(Connection(i), in login);
            }

            Turn();
            Turn();
        }

        public AllocationMeter Meter { get; } = new();
        public long Acknowledged { get; private set; }
        public long ReceiptsHeard { get; private set; }

        public void Exchange(int rounds)
        {
            for (var round = 0; round < rounds; round++)
            {
                _clock.Advance(3);
                for (var n = 0; n < MessagesPerRound; n++) Send(n & 1);
                for (var turn = 0; turn < 6; turn++) Turn();
                for (var i = 0; i < 2; i++)
                {
                    var length = AcknowledgeFrame.Write(_frame, _highest[i]);
                    Frame(i, FrameType.Acknowledge, _frame.AsSpan(Wire.HeaderBytes, length - Wire.HeaderBytes));
                }
            }
        }

        private static ulong Connection(int device) => (ulong)device + 1;

        private Home HomeOf(int device) => _homes[HomeMap.HomeOf(_devices[device].Value, _homes.Length)];

        private void Send(int from)
        {
            var number = _numbers[from]++;
            var length = SendFrame.Write(_frame, _devices[1 - from], number, Math.Max(1, number > 40 ? number - 40 : 1), 0, SendKind.Message, _span.AsSpan(0, 200));
            Frame(from, FrameType.Send, _frame.AsSpan(Wire.HeaderBytes, length - Wire.HeaderBytes));
        }

        private void Frame(int device, FrameType type, ReadOnlySpan<byte> payload)
        {
            Meter.Enter();
            var result = HomeOf(device).OnFrame(Connection(device), _sessions[device], type, payload);
            Meter.Exit();
            Assert.Equal(FrameResult.Consumed, result);
        }

        private void Turn()
        {
            while (_lane.TryDequeue(out var sent))
            {
                var from = 1 - sent.To;
                Meter.Enter();
                if (sent.IsReply) _homes[sent.To].OnReply(from, sent.Message);
                else _homes[sent.To].OnRequest(from, sent.Message);
                Meter.Exit();
            }

            foreach (var home in _homes)
            {
                Meter.Enter();
                home.SetTime(_clock.NowMs, _clock.UnixMicros);
                home.OnTurn();
                home.Submit();
                Meter.Exit();
            }

            _store.CommitAll();
        }

        Span<byte> IConnections.GetSpan(ulong connection, int sizeBytes)
        {
            _spanOf = connection;
            return _span;
        }

        void IConnections.AdvanceWithNext(ulong connection, int bytes) => ((IConnections)this).Advance(connection, bytes);

        void IConnections.Advance(ulong connection, int bytes)
        {
            if (_spanOf != connection) Assert.Fail("output for one connection was written into the span of another");
            var frame = _span.AsSpan(Wire.HeaderBytes);
            if ((FrameType)_span[3] is not (FrameType.Deliver or FrameType.Receipt)) return;
            if ((FrameType)_span[3] == FrameType.Receipt) ReceiptsHeard++;
            _highest[connection - 1] = BitConverter.ToUInt64(frame);
            Acknowledged++;
        }

        int IConnections.UnsentBytes(ulong connection) => 0;

        long IConnections.HeardAtMs(ulong connection) => _clock.NowMs;

        void IConnections.Pause(ulong connection) => Assert.Fail("nothing is short here");

        void IConnections.Resume(ulong connection)
        {
        }

        void IConnections.Close(ulong connection) => Assert.Fail("nobody did anything wrong");

        void IConnections.SetTimer(ulong connection, long dueMs)
        {
        }

        bool IHomeLinks.TryRequest(int home, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body) => Put(home, isReply: false, head, body);

        void IHomeLinks.Reply(int home, ReadOnlySpan<byte> message) => Put(home, isReply: true, message, default);

        bool IHomeLinks.TryNotify(int home, ReadOnlySpan<byte> message) => false;

        void IHomeEvents.OnOffline(ulong mailbox)
        {
        }

        void IHomeEvents.OnExpirySuspended(uint clock, uint expected) => Assert.Fail("the clock is well");

        void IHomeEvents.OnLogLost(LogOutcome outcome) => Assert.Fail("the log is well");

        private bool Put(int home, bool isReply, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
        {
            Meter.Leave();
            _lane.Enqueue((home, isReply, [.. head, .. body]));
            Meter.Return();
            return true;
        }
    }

    private sealed class MeteredLog : IHomeLog
    {
        private readonly MemoryLog _log;
        private readonly AllocationMeter _meter;

        public MeteredLog(MemoryLog log, AllocationMeter meter)
        {
            _log = log;
            _meter = meter;
        }

        public ulong Floor => _log.Floor;
        public uint SteadySeconds => _log.SteadySeconds;
        public long CommittedThrough => _log.CommittedThrough;
        public LogOutcome Outcome => _log.Outcome;

        public ulong NextSequence()
        {
            _meter.Leave();
            var sequence = _log.NextSequence();
            _meter.Return();
            return sequence;
        }

        public LogStatus Append(in LogRecord record, out long position)
        {
            _meter.Leave();
            var status = _log.Append(in record, out position);
            _meter.Return();
            return status;
        }

        public void Submit()
        {
            _meter.Leave();
            _log.Submit();
            _meter.Return();
        }

        public long PendingBytes => 0;

        public int ListMailboxes(Span<ulong> into, out bool ended) => _log.ListMailboxes(into, out ended);

        public bool TryBeginExpiredRead(ulong mailbox, int maxEntries, int maxBytes, ulong token) => throw new NotSupportedException("Nothing expires here.");

        public int FindOverdue(uint nowSeconds, long through, int most, Span<(ulong Mailbox, ulong Sequence, bool IsRecorded)> into, out bool ended)
        {
            _meter.Leave();
            var found = _log.FindOverdue(nowSeconds, through, most, into, out ended);
            _meter.Return();
            return found;
        }

        public MailboxState State(ulong mailbox)
        {
            _meter.Leave();
            var state = _log.State(mailbox);
            _meter.Return();
            return state;
        }

        public bool TryBeginRead(ulong mailbox, ulong afterSequence, int maxEntries, int maxBytes, ulong token)
        {
            _meter.Leave();
            var begun = _log.TryBeginRead(mailbox, afterSequence, maxEntries, maxBytes, token);
            _meter.Return();
            return begun;
        }

        public bool TryTakePage([NotNullWhen(true)] out ILogPage? page)
        {
            _meter.Leave();
            var taken = _log.TryTakePage(out page);
            _meter.Return();
            return taken;
        }
    }
}
