using System.Text.Json.Nodes;
using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;
using Gateway.Protocol;

namespace Gateway.Ctl.Log;

/// <summary>A survey of a log as JSON; addresses of mailboxes in their text form.</summary>
internal static class LogJson
{
    public static JsonObject Of(LogSurvey survey) => new()
    {
        ["folder"] = survey.Folder,
        ["state"] = LogText.StateOf(survey.State),
        ["superblock"] = new JsonObject
        {
            ["number"] = survey.Superblock.Number,
            ["beginAddress"] = survey.Superblock.BeginAddress,
            ["durableAddress"] = survey.Superblock.DurableAddress,
            ["reservedSequence"] = survey.Superblock.ReservedSequence,
            ["segmentBytes"] = survey.Superblock.SegmentBytes,
            ["pageBytes"] = survey.Superblock.PageBytes,
            ["closedCleanly"] = survey.Superblock.ClosedCleanly,
            ["rebuilt"] = survey.Superblock.WasRebuilt,
        },
        ["segments"] = new JsonArray([.. survey.Segments.Select(s => new JsonObject
        {
            ["file"] = s.File,
            ["firstAddress"] = s.FirstAddress,
            ["fileBytes"] = s.FileBytes,
            ["usedBytes"] = s.UsedBytes,
        })]),
        ["end"] = Of(survey.End),
        ["endReason"] = survey.EndReason,
        ["cutBytes"] = survey.CutBytes,
        ["durableAddress"] = survey.DurableAddress,
        ["damage"] = new JsonArray([.. survey.Damage.Select(Of)]),
        ["records"] = new JsonArray([.. survey.Records.Select(r => new JsonObject { ["type"] = LogText.NameOf(r.Type), ["records"] = r.Records, ["bytes"] = r.Bytes })]),
        ["earlierGaps"] = new JsonObject { ["stretches"] = survey.EarlierGaps.Stretches, ["bytes"] = survey.EarlierGaps.Bytes },
        ["pending"] = new JsonObject
        {
            ["messages"] = survey.Pending.Messages,
            ["receipts"] = survey.Pending.Receipts,
            ["bytes"] = survey.Pending.Bytes,
            ["mailboxes"] = survey.Pending.Mailboxes,
        },
        ["ledger"] = new JsonObject { ["messages"] = Of(survey.Ledger.Messages), ["receipts"] = Of(survey.Ledger.Receipts) },
        ["knownLost"] = survey.KnownLost,
        ["notKnown"] = new JsonArray([.. LogText.NotKnown(survey).Select(text => JsonValue.Create(text))]),
        ["next"] = LogText.Next(survey),
    };

    public static JsonNode Of(LogEntry entry) => new JsonObject
    {
        ["file"] = Path.GetFileName(entry.Place.File),
        ["offset"] = entry.Place.Offset,
        ["address"] = entry.Place.Address,
        ["type"] = LogText.NameOf(entry.Type),
        ["bytes"] = entry.Bytes,
        ["bodyBytes"] = entry.BodyBytes,
        ["mailbox"] = entry.Mailbox == 0 ? null : new Address(entry.Mailbox).ToString(),
        ["sequence"] = entry.Sequence,
        ["durableAddress"] = entry.Durable,
        ["pending"] = entry.Pending,
    };

    private static JsonObject Of(LogPlace place) => new() { ["file"] = place.File, ["offset"] = place.Offset, ["address"] = place.Address };

    private static JsonObject Of(LogDamage damage)
    {
        var json = Of(damage.Place);
        json["bytes"] = damage.Bytes;
        json["kind"] = damage.Kind.ToString().ToLowerInvariant();
        json["reason"] = damage.Reason;
        if (damage.Kind == DamageKind.Record)
        {
            json["record"] = LogText.NameOf(damage.Record);
            json["mailbox"] = damage.Mailbox == 0 ? null : new Address(damage.Mailbox).ToString();
            json["sequence"] = damage.Sequence;
        }

        json["lostMessages"] = damage.LostMessages;
        json["lostReceipts"] = damage.LostReceipts;
        return json;
    }

    private static JsonObject Of(LedgerColumn column) => new()
    {
        ["accepted"] = column.Accepted,
        ["delivered"] = column.Delivered,
        ["rejected"] = column.Rejected,
        ["expired"] = column.Expired,
        ["discarded"] = column.Discarded,
        ["lost"] = column.Lost,
    };
}
