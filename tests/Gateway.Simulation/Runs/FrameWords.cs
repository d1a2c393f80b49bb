using Gateway.Protocol;

namespace Gateway.Simulation;

/// <summary>Frames in words, a line each: for the history of a run.</summary>
internal static class FrameWords
{
    public static string Of(string direction, SimulatedConnection connection, ReadOnlySpan<byte> frame) =>
        FrameReader.TryRead(ref frame, Wire.MaxPayloadBytes(Wire.MaxBodyBytesCeiling), out var type, out var payload) == FrameStatus.Frame
            ? Of(direction, connection, type, payload)
            : $"{direction} c{connection.Id} {frame.Length} bytes";

    public static string Of(string direction, SimulatedConnection connection, FrameType type, ReadOnlySpan<byte> payload)
    {
        var who = connection.Route?.Installation.Device.Address.ToString() ?? "?";
        return FormattableString.Invariant($"{direction} c{connection.Id} {who} {type} {Fields(type, payload)}");
    }

    private static string Fields(FrameType type, ReadOnlySpan<byte> payload) => type switch
    {
        FrameType.Welcome when WelcomeFrame.TryParse(payload, out var f, out _) =>
            FormattableString.Invariant($"incarnation {f.Incarnation} window {f.WindowLow}+{f.WindowSettled:x} pending {f.Pending}"),
        FrameType.Send when SendFrame.TryParse(payload, out var f, out _) =>
            FormattableString.Invariant($"{f.Number} (from {f.LowestOpen}) to {f.To} {f.Kind} {f.Body.Length} bytes"),
        FrameType.Accepted when AcceptedFrame.TryParse(payload, out var f, out _) => FormattableString.Invariant($"{f.Number}"),
        FrameType.Refused when RefusedFrame.TryParse(payload, out var f, out _) => FormattableString.Invariant($"{f.Number} {f.Reason}"),
        FrameType.Deliver when DeliverFrame.TryParse(payload, out var f, out _) =>
            FormattableString.Invariant($"{f.Sequence} after {f.Previous} from {f.From} ({f.Incarnation}) {f.Number} {f.Flags}"),
        FrameType.Receipt when ReceiptFrame.TryParse(payload, out var f, out _) => ReceiptFields(in f),
        FrameType.Acknowledge when AcknowledgeFrame.TryParse(payload, out var f, out _) => FormattableString.Invariant($"{f.Sequence}"),
        FrameType.Reject when RejectFrame.TryParse(payload, out var f, out _) => FormattableString.Invariant($"{f.Sequence}"),
        FrameType.Credit when CreditFrame.TryParse(payload, out var f, out _) => FormattableString.Invariant($"{f.Messages}/{f.Bytes}"),
        FrameType.Error when ErrorFrame.TryParse(payload, out var f, out _) => FormattableString.Invariant($"{f.Code}"),
        _ => "",
    };

    private static string ReceiptFields(in ReceiptFrame f)
    {
        var numbers = string.Join(",", Numbers(in f));
        return FormattableString.Invariant($"{f.Sequence} after {f.Previous} of {f.Peer} ({f.Incarnation}) {f.Kind} {numbers} {f.Flags}");
    }

    private static List<ulong> Numbers(in ReceiptFrame f)
    {
        var numbers = new List<ulong>(f.Count);
        for (var i = 0; i < f.Count; i++) numbers.Add(f.Number(i));
        return numbers;
    }
}
