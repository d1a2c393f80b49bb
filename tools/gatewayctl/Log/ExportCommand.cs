using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Mailbox;
using Gateway.Mailbox.Inspection;
using Gateway.Protocol;

namespace Gateway.Ctl.Log;

/// <summary>
/// Writes what is pending as lines of JSON, bodies included: for whoever may read the node's files, who could read them anyway. A line is one
/// entry, in its mailbox's order.
/// </summary>
internal static class ExportCommand
{
    public static Command Create(CtlEnvironment environment)
    {
        var data = LogCommands.DataOption();
        var mailbox = new Option<Address?>("--mailbox")
        {
            Description = "only what waits for this device",
            HelpName = "ADDRESS",
            CustomParser = result => Address.TryParse(result.Tokens[0].Value, out var address, out var error) ? address : CommonOptions.Fail<Address?>(result, error),
        };
        var command = new Command("export", "pending messages and receipts as lines of JSON, bodies in base64") { data, mailbox };
        command.SetAction(parse => LogCommands.OnLog(environment, parse.GetValue(data)!, (log, progress) =>
        {
            var state = log.Survey(progress.Tell).State;
            long entries = 0;
            log.Export(parse.GetValue(mailbox)?.Value, (in MailboxRecord record) =>
            {
                entries++;
                environment.Output.WriteLine(LineOf(record));
            }, progress.Tell);
            environment.Errors.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{entries} pending entries"));
            if (state != LogState.Damaged) return ExitCode.Ok;
            environment.Errors.WriteLine("The log is damaged: what could not be read is missing here; gatewayctl log verify says where.");
            return ExitCode.Damaged;
        }));
        return command;
    }

    private static string LineOf(in MailboxRecord record) => JsonSerializer.Serialize(new
    {
        type = record.Type == RecordType.Message ? "message" : "receipt",
        mailbox = new Address(record.Mailbox).ToString(),
        sequence = record.Sequence,
        previous = record.Previous,
        sender = new Address(record.Sender).ToString(),
        incarnation = record.Incarnation,
        number = record.Number,
        enqueuedAt = TimeOf(record.EnqueuedAt),
        expiresAt = record.ExpiresAt == 0 ? null : TimeOf(record.ExpiresAt),
        kind = record.Kind,
        reason = record.Reason,
        flags = record.Flags,
        body = Convert.ToBase64String(record.Body),
    });

    private static string TimeOf(uint seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
