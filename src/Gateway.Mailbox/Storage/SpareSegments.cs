using Gateway.Mailbox.Format;

namespace Gateway.Mailbox.Storage;

/// <summary>
/// Files of segments that the log gave up, kept to become its next ones. Their blocks are allocated and written and their pages are in the cache: so
/// nothing has to be zeroed, and the commit thread copies into pages that are there; and a full disk does not end admission.
/// The compactor puts in, the keeper takes out; any other thread may count.
/// Invariant: a file that is here held a segment that lies wholly before the superblock's durable begin address, nobody reads it, and its number is
/// lower than any that it will be given.
/// <code>
/// N.segment --- rename ---> N.spare --- rename ---> M.segment.new --- header, fdatasync --- rename ---> M.segment --- fsync of the folder ---> used
/// </code>
/// A power loss keeps any of the renames since the folder's last sync and loses the others, whichever the order; an opening deletes what is named N.spare
/// or M.segment.new, and N.segment since it lies before begin, whatever header the file has by then. M.segment is whole whenever it is there: the header was
/// synced before the rename. If it is there without the folder's sync, nobody was told of it, and it is an empty segment behind the tail. Should a file
/// system bring back an old name beside the new one, the deletion of that name leaves the file to the other; so spares are deleted and not adopted.
/// What the file held before is under another segment's seal, and so is never this log's: <see cref="RecordSeal"/>.
/// </summary>
internal sealed class SpareSegments(ILogFileSystem files, int limit)
{
    private const string Suffix = ".spare";

    private readonly Queue<string> _names = new();
    private long _usedAgain;

    public int Count
    {
        get
        {
            lock (_names) return _names.Count;
        }
    }

    /// <summary>Files that became later segments.</summary>
    public long UsedAgain => Volatile.Read(ref _usedAgain);

    public static string NameOf(long segment) => $"{segment:x16}{Suffix}";

    public static bool IsSpare(string name) => name.Length == 16 + Suffix.Length && name.EndsWith(Suffix, StringComparison.Ordinal);

    /// <summary>Takes the file of a segment that is no longer the log's; there are enough, or the folder has no room for another name: deletes it.</summary>
    public void Put(long segment)
    {
        var name = SegmentHeader.FileName(segment);
        if (Count >= limit)
        {
            files.Delete(name);
            return;
        }

        try
        {
            files.Rename(name, NameOf(segment));
        }
        catch (LogIOException e) when (e.IsFullDisk)
        {
            files.Delete(name);
            return;
        }

        lock (_names) _names.Enqueue(NameOf(segment));
    }

    /// <summary>
    /// Gives a file this header and, durably, this name, under which no reader looks for it. One that somebody holds, as a backup does that was begun
    /// when it was the log's, is left to him and deleted. False: there is none. An exception leaves what there is for the next try.
    /// </summary>
    public bool TryTake(string name, ReadOnlySpan<byte> header, long bytes)
    {
        while (true)
        {
            string spare;
            lock (_names)
            {
                if (!_names.TryPeek(out spare!)) return false;
            }

            // Closed, and so let go of, before it gets a name by which a backup would ask for it.
            using var file = files.Open(spare);
            var fits = file.TryHold(alone: true) && file.Length == bytes;
            if (fits) files.Rename(spare, name);
            lock (_names) _names.Dequeue();
            if (!fits)
            {
                files.Delete(spare);
                continue;
            }

            file.Write(0, header);
            file.Sync();
            Volatile.Write(ref _usedAgain, _usedAgain + 1);
            return true;
        }
    }
}
