using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using Gateway.Messaging;
using Gateway.Protocol;

namespace Gateway.Benchmarks.Messaging;

/// <summary>
/// A message's whole life in one home, less disk and sockets: send → append → commit → accepted and deliver → acknowledge → receipt →
/// receipt acknowledged. From memory: the cursor is up to date and the body still lies with the commit. From the log: the cursor is behind
/// and reads pages. Batches of 32 in one turn, bodies of 200 bytes. Figures are per message.
/// </summary>
[MemoryDiagnoser]
public class CursorBenchmarks
{
    private const int Batch = 32;

    private Exchange _memory = null!;
    private Exchange _log = null!;

    [GlobalSetup]
    public void Setup()
    {
        _memory = new Exchange(new HomeOptions());
        // No room to keep a body with its commit: every delivery is read back.
        _log = new Exchange(new HomeOptions { HotBytes = 0 });
        _memory.Run(Batch);
        _log.Run(Batch);
        if (_memory.DeliveredFromLog != 0 || _log.DeliveredFromLog < Batch)
            throw new InvalidOperationException($"Read from the log: {_memory.DeliveredFromLog} and {_log.DeliveredFromLog}, not 0 and at least {Batch}.");
    }

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong FromMemory() => _memory.Run(Batch);

    [Benchmark(OperationsPerInvoke = Batch)]
    public ulong FromLog() => _log.Run(Batch);

    /// <summary>Alice sends to Bob on one home; what the home writes is looked at only for sequences to acknowledge.</summary>
    private sealed class Exchange : IConnections, IHomeLinks, IHomeEvents
    {
        private const ulong Alice = 1;
        private const ulong Bob = 2;

        private static readonly Address AliceAddress = new(AddressKind.User, 15550001);
        private static readonly Address BobAddress = new(AddressKind.User, 15550002);

        private readonly Home _home;
        private readonly uint[] _sessions = new uint[3];
        private readonly ulong[] _highest = new ulong[3];
        private readonly byte[] _output = new byte[64 * 1024];
        private readonly byte[] _frame = new byte[1024];
        private readonly byte[] _body = new byte[200];
        private ulong _number = 1;
        private ulong _delivered;
        private long _nowMs = 1000;

        public Exchange(HomeOptions options)
        {
            _home = new Home(0, 1, options, new RingLog(), this, this, this);
            LogIn(Alice, AliceAddress);
            LogIn(Bob, BobAddress);
            Turn();
            Turn();
        }

        public long DeliveredFromLog => _home.Counters.DeliveredFromLog;

        public ulong Run(int messages)
        {
            var before = _delivered;
            for (var i = 0; i < messages; i++)
            {
                var length = SendFrame.Write(_frame, BobAddress, _number, _number, 0, SendKind.Message, _body);
                Frame(Alice, FrameType.Send, length);
                _number++;
            }

            // Commit and deliver; then the receipt's and the acknowledgements' way.
            Until(Bob, before + (ulong)messages);
            Frame(Bob, FrameType.Acknowledge, AcknowledgeFrame.Write(_frame, _highest[Bob]));
            for (var turn = 0; turn < 4; turn++) Turn();
            Frame(Alice, FrameType.Acknowledge, AcknowledgeFrame.Write(_frame, _highest[Alice]));
            Turn();
            return _delivered;
        }

        private void Until(ulong connection, ulong delivered)
        {
            for (var turn = 0; _delivered < delivered; turn++)
            {
                if (turn == 1000) throw new InvalidOperationException($"Connection {connection} was delivered {_delivered} of {delivered}.");
                Turn();
            }
        }

        private void LogIn(ulong connection, Address address)
        {
            var login = new Login { Address = address.Value, CreditMessages = 1000, CreditBytes = 1_000_000 };
            _home.SetTime(_nowMs, 1_700_000_000_000_000);
            _sessions[connection] = _home.OnLogin(connection, in login);
        }

        private void Frame(ulong connection, FrameType type, int length)
        {
            if (_home.OnFrame(connection, _sessions[connection], type, _frame.AsSpan(Wire.HeaderBytes, length - Wire.HeaderBytes)) != FrameResult.Consumed)
                throw new InvalidOperationException($"{type} was not consumed.");
        }

        private void Turn()
        {
            _home.SetTime(++_nowMs, 1_700_000_000_000_000);
            _home.OnTurn();
            _home.Submit();
        }

        Span<byte> IConnections.GetSpan(ulong connection, int sizeBytes) => _output;

        void IConnections.AdvanceWithNext(ulong connection, int bytes) => ((IConnections)this).Advance(connection, bytes);

        void IConnections.Advance(ulong connection, int bytes)
        {
            var type = (FrameType)_output[3];
            if (type is not (FrameType.Deliver or FrameType.Receipt)) return;
            _highest[connection] = BinaryPrimitives.ReadUInt64LittleEndian(_output.AsSpan(Wire.HeaderBytes));
            if (type == FrameType.Deliver) _delivered++;
        }

        int IConnections.UnsentBytes(ulong connection) => 0;

        long IConnections.HeardAtMs(ulong connection) => _nowMs;
        void IConnections.Pause(ulong connection) => throw new InvalidOperationException("Nothing is short here.");
        void IConnections.Resume(ulong connection)
        {
        }

        void IConnections.Close(ulong connection) => throw new InvalidOperationException("Nobody did anything wrong.");
        void IConnections.SetTimer(ulong connection, long dueMs)
        {
        }

        bool IHomeLinks.TryRequest(int home, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body) => throw new InvalidOperationException("There is one home.");
        void IHomeLinks.Reply(int home, ReadOnlySpan<byte> message) => throw new InvalidOperationException("There is one home.");
        bool IHomeLinks.TryNotify(int home, ReadOnlySpan<byte> message) => false;
        void IHomeEvents.OnOffline(ulong mailbox)
        {
        }

        void IHomeEvents.OnExpirySuspended(uint clock, uint expected) => throw new InvalidOperationException("The clock is well.");

        void IHomeEvents.OnLogLost(LogOutcome outcome) => throw new InvalidOperationException("The log is well.");
    }
}
