using System.Globalization;
using System.Text;
using Gateway.Load.Measure;
using Gateway.Protocol;

namespace Gateway.Load.Devices;

/// <summary>From a frame to what it means here.</summary>
internal sealed partial class Fleet
{
    private const ulong KeepAliveToken = 1;
    private const ulong CheckToken = 2;

    private void OnFrame(int index, FrameType type, ReadOnlySpan<byte> payload)
    {
        var state = _devices[index].State;
        if (state == DeviceState.Established)
        {
            switch (type)
            {
                case FrameType.Accepted: OnSingleCheck(index, payload); return;
                case FrameType.Deliver: OnDeliver(index, payload); return;
                case FrameType.Receipt: OnReceipt(index, payload); return;
                case FrameType.Refused: OnRefused(index, payload); return;
                case FrameType.Ping: OnPing(index, payload); return;
                case FrameType.Pong: OnPong(index, payload); return;
                case FrameType.Ephemeral: return;
            }
        }

        switch (type)
        {
            case FrameType.Challenge when state == DeviceState.AwaitChallenge: OnChallenge(index, payload); break;
            case FrameType.Welcome when state == DeviceState.AwaitWelcome: OnWelcome(index, payload); break;
            case FrameType.Error: OnError(index, payload); break;
            case FrameType.GoAway: OnGoAway(index, payload); break;
            default: Fail(index, $"protocol_unexpected_{type}"); break;
        }
    }

    private void OnError(int index, ReadOnlySpan<byte> payload)
    {
        if (!ErrorFrame.TryParse(payload, out var frame, out var error))
        {
            Fail(index, $"protocol_error_{error}");
            return;
        }

        ref var d = ref _devices[index];
        var mayRetry = frame.Code is ErrorCode.Overloaded or ErrorCode.ShuttingDown && (d.State != DeviceState.Established || _settings.Reconnect);
        if (!mayRetry)
        {
            Fail(index, NameOf(frame.Code));
            return;
        }

        if (d.State == DeviceState.Established) _tally[Counter.Disconnects]++;
        Leave(ref d);
        LoginAgain(index, NameOf(frame.Code));
    }

    private void OnGoAway(int index, ReadOnlySpan<byte> payload)
    {
        if (!GoAwayFrame.TryParse(payload, out var frame, out var error))
        {
            Fail(index, $"protocol_go_away_{error}");
            return;
        }

        ref var d = ref _devices[index];
        if (d.State == DeviceState.Established)
        {
            if (!_settings.Reconnect && !_settings.HeedsGoAway)
            {
                Fail(index, "go_away");
                return;
            }

            _tally[Counter.GoAways]++;
        }

        Leave(ref d);
        LoginAgain(index, "go_away", frame.ReconnectAfterMs);
    }

    private static string NameOf(ErrorCode code)
    {
        var name = new StringBuilder("node");
        foreach (var letter in code.ToString())
        {
            if (char.IsUpper(letter)) name.Append('_');
            name.Append(char.ToLower(letter, CultureInfo.InvariantCulture));
        }

        return name.ToString();
    }

    private void OnPing(int index, ReadOnlySpan<byte> payload)
    {
        if (!PingFrame.TryParse(payload, out var ping, out var error))
        {
            Fail(index, $"protocol_ping_{error}");
            return;
        }

        var c = _devices[index].Connection;
        _reactor.Advance(c, PingFrame.WritePong(_reactor.GetSpan(c, PingFrame.FrameBytes), ping.Token));
    }

    private void OnPong(int index, ReadOnlySpan<byte> payload)
    {
        if (!PingFrame.TryParse(payload, out var pong, out var error))
        {
            Fail(index, $"protocol_pong_{error}");
            return;
        }

        ref var d = ref _devices[index];
        if (pong.Token == KeepAliveToken) return;
        if (pong.Token != CheckToken || !d.Has(DeviceFlags.Checked))
        {
            Fail(index, "protocol_pong_unasked");
            return;
        }

        d.Clear(DeviceFlags.Checked);
        _tally[Counter.Pongs]++;
    }

    /// <summary>A pong also says that all the node was sent before has been handled.</summary>
    private void PumpChecks()
    {
        for (var asked = 0; _checks.TryNext(asked, out var index);)
        {
            ref var d = ref _devices[index];
            if (d.State != DeviceState.Established) continue;
            d.Set(DeviceFlags.Checked);
            _reactor.Advance(d.Connection, PingFrame.Write(_reactor.GetSpan(d.Connection, PingFrame.FrameBytes), CheckToken));
            asked++;
        }
    }
}
