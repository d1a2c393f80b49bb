using System.Text;
using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;
using Gateway.Protocol;

namespace Gateway.Ctl.Log;

/// <summary>A survey of a log in words: what was found, what it means, and what to do next.</summary>
internal static class LogText
{
    public static string StateOf(LogState state) => state switch
    {
        LogState.Sound => "sound",
        LogState.TornTail => "torn-tail",
        _ => "damaged",
    };

    /// <summary>A record's type as LOG-FORMAT.md has it.</summary>
    public static string NameOf(RecordType type) => type switch
    {
        RecordType.None => "unknown",
        RecordType.AckUpTo => "ACK_UPTO",
        RecordType.FanoutDone => "FANOUT_DONE",
        RecordType.LedgerTotals => "LEDGER",
        _ => type.ToString().ToUpperInvariant(),
    };

    /// <summary>The command or step that comes next.</summary>
    public static string Next(LogSurvey survey) => survey.State == LogState.Damaged
        ? $"gatewayctl log repair --data {survey.Folder}"
        : "start the node";

    public static string Verdict(LogSurvey survey)
    {
        var records = survey.Records.Sum(r => r.Records);
        return survey.State switch
        {
            LogState.Sound => Invariant($"sound: {records} records, every checksum holds; the log ends at {PlaceOf(survey.End)}"),
            LogState.TornTail => Invariant(
                $"torn tail: {records} records are sound; the end of the last batch, which nobody was promised, is torn at {PlaceOf(survey.End)}: {survey.EndReason}.\nA start cuts off {survey.CutBytes} bytes there. Next: start the node"),
            _ => $"{DamageOf(survey)}Next: {Next(survey)}   (says what would be lost, and changes nothing)",
        };
    }

    public static string Plan(LogSurvey survey) =>
        $"{DamageOf(survey)}{LossOf(survey)}Nothing was changed. Next, when this loss is acceptable: {Next(survey)} --accept-loss";

    public static string Repaired(LogSurvey before, RepairOutcome outcome)
    {
        var text = new StringBuilder(DamageOf(before)).Append(LossOf(before));
        text.AppendLine(Invariant($"Repaired. What was taken out is in {outcome.QuarantinedBytes}; {outcome.QuarantineIndex} says where it came from."));
        text.Append(Verdict(outcome.After));
        return text.ToString();
    }

    /// <summary>What a repair cannot tell, in sentences.</summary>
    public static IEnumerable<string> NotKnown(LogSurvey survey)
    {
        if (survey.Damage.FirstOrDefault(d => d.Kind == DamageKind.Header) is not null && survey.Superblock.WasRebuilt)
            yield return "Where the log began in its first segment: entries that had been settled and forgotten there may be pending again.";
        var unknown = survey.Damage.Where(d => d.Kind == DamageKind.Stretch).Sum(d => d.Bytes);
        if (unknown > 0)
        {
            yield return Invariant(
                $"What {unknown} bytes held. Entries there that nothing behind them names are missing from the ledger's 'accepted' as well as from 'lost', so that it adds up and both are too low.");
        }

        if (MayBe(survey, RecordType.LedgerTotals)) yield return "What a lost LEDGER record had counted of segments that are gone: the ledger's terms are too low by that.";
        if (MayBe(survey, RecordType.Message, RecordType.Receipt, RecordType.Moved)) yield return "Whether a sender sends again what it was told is accepted: no device is told of a message that is lost.";
        if (MayBe(survey, RecordType.AckUpTo, RecordType.Remove))
            yield return "Which entries had left their mailboxes by a record that is lost: they are pending again and will be delivered again; a device drops what it has by its sequence.";
        if (MayBe(survey, RecordType.Window, RecordType.Message)) yield return "Which numbers of a sender were settled there: a resend of one of them would be stored a second time.";
        if (MayBe(survey, RecordType.Device)) yield return "Whether a key was revoked there: a key that was is good again until you revoke it once more (gatewayctl device revoke).";
    }

    public static string Inspection(LogSurvey survey, IReadOnlyList<LogEntry> listing)
    {
        var text = new StringBuilder();
        var s = survey.Superblock;
        Line(text, $"folder      {survey.Folder}");
        Line(text, $"superblock  number {s.Number}, begin {s.BeginAddress}, durable {s.DurableAddress}, reserved sequence {s.ReservedSequence}, {(s.WasRebuilt ? "MISSING OR DAMAGED: this is what the segments say" : s.ClosedCleanly ? "closed cleanly" : "not closed cleanly")}");
        Line(text, $"geometry    segments of {s.SegmentBytes} bytes, pages of {s.PageBytes}");
        foreach (var segment in survey.Segments)
            Line(text, $"segment     {segment.File}  from address {segment.FirstAddress}: {segment.UsedBytes} bytes used{(segment.FileBytes == 0 ? ", MISSING" : "")}");
        Line(text, $"durable     at least to address {survey.DurableAddress}");
        Line(text, $"end         {PlaceOf(survey.End)}: {survey.EndReason}{(survey.CutBytes > 0 ? Invariant($"; a start cuts off {survey.CutBytes} bytes") : "")}");
        foreach (var total in survey.Records) Line(text, $"records     {NameOf(total.Type),-12} {total.Records,12} {total.Bytes,16} bytes");
        if (survey.EarlierGaps.Stretches > 0) Line(text, $"repaired    {survey.EarlierGaps.Stretches} stretches, {survey.EarlierGaps.Bytes} bytes, were given up by earlier repairs");
        Line(text, $"pending     {survey.Pending.Messages} messages, {survey.Pending.Receipts} receipts, {survey.Pending.Bytes} bytes, {survey.Pending.Mailboxes} mailboxes{(survey.State == LogState.Damaged ? " (after a repair)" : "")}");
        foreach (var (name, column) in new[] { ("messages", survey.Ledger.Messages), ("receipts", survey.Ledger.Receipts) })
            Line(text, $"ledger      {name}: {column.Accepted} accepted = {column.Delivered} delivered + {column.Outstanding} pending + {column.Rejected} rejected + {column.Expired} expired + {column.Discarded} discarded + {column.Lost} lost");
        foreach (var entry in listing)
        {
            var about = entry.Type switch
            {
                RecordType.Mark => Invariant($"durable {entry.Durable}"),
                RecordType.Reserve => Invariant($"sequence {entry.Sequence}"),
                RecordType.Gap => "damaged, given up",
                RecordType.Message or RecordType.Receipt or RecordType.Moved => Invariant($"{new Address(entry.Mailbox)} sequence {entry.Sequence}, body of {entry.BodyBytes} bytes{(entry.Pending ? ", pending" : "")}"),
                RecordType.AckUpTo or RecordType.Expire or RecordType.Remove => Invariant($"{new Address(entry.Mailbox)} sequence {entry.Sequence}"),
                RecordType.LedgerTotals => "",
                _ => $"{new Address(entry.Mailbox)}",
            };
            Line(text, $"{entry.Place.Address,16}  {Path.GetFileName(entry.Place.File)} +{entry.Place.Offset,-10} {NameOf(entry.Type),-10} {entry.Bytes,7}  {about}");
        }

        return text.Append(Verdict(survey)).ToString();
    }

    private static string DamageOf(LogSurvey survey)
    {
        var text = new StringBuilder();
        Line(text, $"damaged: {survey.Damage.Count} {(survey.Damage.Count == 1 ? "place" : "places")}");
        foreach (var damage in survey.Damage)
        {
            var what = damage.Kind switch
            {
                DamageKind.Header => "no message lies there",
                DamageKind.Length => "what it frames is whole",
                DamageKind.Record => Invariant($"one record, by its damaged bytes {NameOf(damage.Record)}{(damage.Mailbox == 0 ? "" : $" of {new Address(damage.Mailbox)}")}{(damage.Sequence == 0 ? "" : Invariant($", sequence {damage.Sequence}"))}"),
                _ => "what it held cannot be told",
            };
            Line(text, $"  {PlaceOf(damage.Place)}, {damage.Bytes} bytes: {damage.Reason}; {what}");
        }

        return text.ToString();
    }

    private static string LossOf(LogSurvey survey)
    {
        var text = new StringBuilder();
        Line(text, $"Known to be lost, and counted as lost: {survey.Damage.Sum(d => d.LostMessages)} messages, {survey.Damage.Sum(d => d.LostReceipts)} receipts.");
        Line(text, $"Pending after a repair: {survey.Pending.Messages} messages, {survey.Pending.Receipts} receipts in {survey.Pending.Mailboxes} mailboxes.");
        foreach (var sentence in NotKnown(survey)) Line(text, $"Not known: {sentence}");
        return text.ToString();
    }

    /// <summary>Whether a lost record may have been one of these.</summary>
    private static bool MayBe(LogSurvey survey, params RecordType[] types) =>
        survey.Damage.Any(d => d.Kind == DamageKind.Stretch || (d.Kind == DamageKind.Record && (d.Record == RecordType.None || types.Contains(d.Record))));

    private static string PlaceOf(LogPlace place) =>
        place.Address < 0 ? Invariant($"{place.File} at offset {place.Offset}") : Invariant($"{place.File} at offset {place.Offset} (log address {place.Address})");

    private static void Line(StringBuilder text, FormattableString line) => text.AppendLine(Invariant(line));

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
