using System.Net;
using System.Net.Sockets;
using Gateway.Protocol;

namespace Gateway.Tests.Client;

/// <summary>
/// A node in a few lines, for one device: it keeps what a node keeps (window, mailbox, what was acknowledged), judges the client by the protocol's
/// rules and notes every breach. Seeded: it breaks connections at random points, in the middle of frames too, before or after it has taken what it read.
/// </summary>
internal sealed class ModelNode : IAsyncDisposable
{
    public const int Credit = 20;

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Lock _gate = new();
    private readonly Random _random;
    private readonly Task _running;
    private readonly byte[] _key = new byte[DeviceKey.KeyBytes];
    private readonly Dictionary<ulong, (Address To, byte[] Body)> _settled = [];
    private readonly SortedDictionary<ulong, byte[]> _mailbox = [];
    private Socket? _current;
    private ulong _low = 1;
    private ulong _sequence = 1000;
    private ulong _lastSequence;
    private ulong _deliveredThrough;
    private int _toDeliver;
    private int _cutsLeft;

    public ModelNode(int seed, int cuts, int deliveries)
    {
        _random = new Random(seed);
        _cutsLeft = cuts;
        _toDeliver = deliveries;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        _running = Task.Run(RunAsync);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;
    public KeyFile KeyFile => new(FakeNode.Device, 0, _key);

    /// <summary>Breaches of the protocol by the client.</summary>
    public List<string> Breaches { get; } = [];

    /// <summary>What was taken, in the order of taking: each message once.</summary>
    public List<(Address To, ulong Number, string Body)> Taken { get; } = [];
    public int Cuts { get; private set; }
    public int Resends { get; private set; }
    public int Redeliveries { get; private set; }
    public int Refusals { get; private set; }

    public bool IsMailboxEmpty
    {
        get
        {
            lock (_gate) return _mailbox.Count == 0 && _toDeliver == 0;
        }
    }

    public bool HasCutsLeft
    {
        get
        {
            lock (_gate) return _cutsLeft > 0;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        lock (_gate) _current?.Dispose();
        await _running;
    }

    private async Task RunAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }

            lock (_gate) _current = socket;
            try
            {
                await ServeAsync(socket);
            }
            catch (Exception e) when (e is SocketException or EndOfStreamException or ObjectDisposedException)
            {
                // Cut, by this side or the other.
            }
            catch (Exception e)
            {
                lock (_gate) Breaches.Add($"the model failed: {e}");
            }

            socket.Dispose();
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        var connection = new FakeConnection(socket, _key);
        // Where the axe falls: after so many frames taken, or so many bytes written.
        var framesLeft = _cutsLeft > 0 ? _random.Next(0, 40) : int.MaxValue;
        var login = await connection.ReadAuthenticateAsync();
        ulong settled = 0;
        lock (_gate)
        {
            if (login.Client.CreditMessages != Credit) Breaches.Add($"credit {login.Client.CreditMessages}");
            if (!login.Client.ProofIsRight) Breaches.Add("wrong proof");
            // Some bits are missing: those numbers are in flight still, as far as anybody knows, and are sent again.
            for (var i = 0; i < 64; i++) settled |= _settled.ContainsKey(_low + (ulong)i) && _random.Next(3) != 0 ? 1UL << i : 0;
            foreach (var acknowledged in _mailbox.Keys.Where(s => s <= login.Client.Resume).ToArray()) _mailbox.Remove(acknowledged);
            if (login.Client.Resume > _sequence) Breaches.Add($"resume {login.Client.Resume} is ahead");
        }

        if (framesLeft == 0)
        {
            Cut(socket);
            return;
        }

        await connection.WriteWelcomeAsync(new Welcome(Incarnation: 1, WindowLow: _low, WindowSettled: settled), login);
        connection.Start();
        var cursor = login.Client.Resume;
        var delivered = cursor;
        var held = new Dictionary<Address, ulong>();
        while (true)
        {
            cursor = await DeliverSomeAsync(connection, cursor);
            delivered = cursor;
            Frame frame;
            try
            {
                frame = await connection.NextAsync();
            }
            catch (System.Threading.Channels.ChannelClosedException)
            {
                return;
            }

            // Half of the cuts lose the frame that was read, half come after it was taken and before it was answered.
            var cutNow = --framesLeft <= 0;
            if (cutNow && _random.Next(2) == 0)
            {
                Cut(socket);
                return;
            }

            var answer = Take(frame, delivered, held);
            if (cutNow)
            {
                if (answer.Length != 0 && _random.Next(2) == 0) await connection.WriteAsync(answer.AsMemory(0, _random.Next(answer.Length)));
                Cut(socket);
                return;
            }

            if (answer.Length != 0) await connection.WriteAsync(answer);
        }
    }

    private async Task<ulong> DeliverSomeAsync(FakeConnection connection, ulong cursor)
    {
        var due = new List<(ulong Sequence, ulong Previous, byte[] Body)>();
        var unacknowledged = 0;
        lock (_gate)
        {
            for (var i = 0; i < 3 && _toDeliver > 0; i++)
            {
                _toDeliver--;
                _sequence += (ulong)_random.Next(1, 50);
                _mailbox.Add(_sequence, System.Text.Encoding.UTF8.GetBytes($"{_sequence} after {_lastSequence}"));
                _lastSequence = _sequence;
            }

            foreach (var (sequence, body) in _mailbox)
            {
                // The credit counts what is unacknowledged.
                if (++unacknowledged > Credit) break;
                if (sequence <= cursor) continue;
                if (sequence <= _deliveredThrough) Redeliveries++;
                _deliveredThrough = Math.Max(_deliveredThrough, sequence);
                var text = System.Text.Encoding.UTF8.GetString(body);
                due.Add((sequence, ulong.Parse(text.Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture), body));
                if (due.Count == 5) break;
            }
        }

        foreach (var (sequence, previous, body) in due)
        {
            await connection.DeliverAsync(sequence, previous, System.Text.Encoding.UTF8.GetString(body), number: sequence);
            cursor = sequence;
        }

        return cursor;
    }

    private byte[] Take(Frame frame, ulong delivered, Dictionary<Address, ulong> held)
    {
        lock (_gate)
        {
            switch (frame.Type)
            {
                case FrameType.Send: return TakeSend(frame.AsSend(), held);
                case FrameType.Acknowledge:
                    var sequence = frame.AsAcknowledge();
                    if (sequence > delivered) Breaches.Add($"acknowledged {sequence}, delivered {delivered}");
                    foreach (var acknowledged in _mailbox.Keys.Where(s => s <= sequence).ToArray()) _mailbox.Remove(acknowledged);
                    return [];
                default: return [];
            }
        }
    }

    private byte[] TakeSend(SentMessage sent, Dictionary<Address, ulong> held)
    {
        if (sent.LowestOpen > sent.Number) Breaches.Add($"lowest open {sent.LowestOpen} above number {sent.Number}");
        _low = Math.Max(_low, sent.LowestOpen);
        if (sent.Number >= _low + Wire.WindowSize) Breaches.Add($"number {sent.Number} beyond the window from {_low}");
        if (sent.Number < _low) return Refuse(sent.Number, RefusalReason.OutcomeUnknown);
        if (_settled.TryGetValue(sent.Number, out var before))
        {
            Resends++;
            if (before.To != sent.To || !before.Body.AsSpan().SequenceEqual(sent.Body)) Breaches.Add($"number {sent.Number} was used for two messages");
            return Accept(sent.Number);
        }

        if (held.TryGetValue(sent.To, out var holder) && holder >= _low && holder < sent.Number) return Refuse(sent.Number, RefusalReason.HeldForOrder);
        held.Remove(sent.To);
        if (_random.Next(20) == 0)
        {
            held[sent.To] = sent.Number;
            Refusals++;
            return Refuse(sent.Number, RefusalReason.MailboxFull);
        }

        _settled.Add(sent.Number, (sent.To, sent.Body));
        Taken.Add((sent.To, sent.Number, System.Text.Encoding.UTF8.GetString(sent.Body)));
        return Accept(sent.Number);
    }

    private void Cut(Socket socket)
    {
        lock (_gate)
        {
            _cutsLeft--;
            Cuts++;
        }

        // Sometimes with a reset, which takes back what is still on its way.
        if (_random.Next(2) == 0) socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }

    private static byte[] Accept(ulong number)
    {
        var bytes = new byte[Wire.HeaderBytes + AcceptedFrame.PayloadBytes];
        AcceptedFrame.Write(bytes, number);
        return bytes;
    }

    private static byte[] Refuse(ulong number, RefusalReason reason)
    {
        var bytes = new byte[RefusedFrame.FrameBytes];
        RefusedFrame.Write(bytes, number, reason, reason.IsFinal() ? 0 : 1U);
        return bytes;
    }
}
