using System.Buffers.Binary;
using Gateway.Mailbox.Format;

namespace Gateway.Tests.Mailbox;

/// <summary>Looks into a segment's file, and damages it. Of a harness's log, and its first segment unless said. Stateless.</summary>
internal static class SegmentFile
{
    public const int Header = SegmentHeader.Bytes;

    public static RecordSeal SealOfFirst => RecordSeal.Of(RecordLayout.FormatVersion, MailboxHarness.Identity, 0);

    /// <summary>Start address and record length of everything up to an address.</summary>
    public static List<(long Start, int Length)> RecordsOf(byte[] segment, long until)
    {
        var records = new List<(long, int)>();
        for (var at = RecordLayout.FirstAddress; at < until;)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(segment.AsSpan((int)(Header + at)));
            if (length == 0) break;
            if (length == SealOfFirst.EndOfPage)
            {
                at = (at | 4095) + 1;
                continue;
            }

            records.Add((at, (int)length));
            at += RecordLayout.LogBytes((int)length);
        }

        return records;
    }

    public static void Flip(string path, long offset)
    {
        using var file = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        var b = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(b ^ 1));
    }
}
