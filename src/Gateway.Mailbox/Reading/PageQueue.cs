namespace Gateway.Mailbox.Reading;

/// <summary>
/// One partition's pages and their two ways: asked for (owner to reader) and read (reader to owner). Each way is a ring with one writer and
/// one reader and room for every page there is, so that it is never full.
/// </summary>
internal sealed class PageQueue
{
    private readonly PageRing _asked;
    private readonly PageRing _read;
    private readonly Stack<MailboxPage> _free;
    private readonly List<MailboxPage> _pages;
    private readonly int _pageBytes;
    private readonly int _limit;
    private Commit.WakeSignal? _reader;

    public PageQueue(int limit, int pageBytes)
    {
        (_limit, _pageBytes) = (limit, pageBytes);
        (_asked, _read) = (new PageRing(limit), new PageRing(limit));
        (_free, _pages) = (new Stack<MailboxPage>(limit), new List<MailboxPage>(limit));
    }

    public int Limit => _limit;

    /// <summary>Owner: how many pages were ever asked for.</summary>
    public long Asked => _asked.Added;

    /// <summary>Any thread: how many of them have been read; they are read in the order they were asked for.</summary>
    public long Read => _read.Added;

    public void BindReader(Commit.WakeSignal reader) => _reader = reader;

    /// <summary>Owner: a page nobody uses, made on first need; null when all are out.</summary>
    public MailboxPage? TryRent()
    {
        if (_free.TryPop(out var page)) return page;
        if (_pages.Count == _limit) return null;
        page = new MailboxPage(this, _pageBytes);
        _pages.Add(page);
        return page;
    }

    public void Submit(MailboxPage page)
    {
        _asked.Add(page);
        _reader!.Set();
    }

    public bool TryTake(out MailboxPage page)
    {
        if (!_read.TryRemove(out page)) return false;
        page.OnTaken();
        return true;
    }

    public void Return(MailboxPage page) => _free.Push(page);

    /// <summary>Reader: the next page asked for.</summary>
    public bool TryTakeAsked(out MailboxPage page) => _asked.TryRemove(out page);

    public void Complete(MailboxPage page) => _read.Add(page);

    /// <summary>When neither side runs any more.</summary>
    public void Free()
    {
        foreach (var page in _pages) page.Free();
        _pages.Clear();
    }

    /// <summary>A ring for one adding and one removing thread.</summary>
    private sealed class PageRing(int capacity)
    {
        private readonly MailboxPage?[] _slots = new MailboxPage?[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)capacity)];
        private long _added;
        private long _removed;

        public long Added => Volatile.Read(ref _added);

        public void Add(MailboxPage page)
        {
            _slots[_added & (_slots.Length - 1)] = page;

            // An exchange and not a release write: the wake signal that follows needs a full fence.
            Interlocked.Exchange(ref _added, _added + 1);
        }

        public bool TryRemove(out MailboxPage page)
        {
            page = null!;
            if (_removed == Volatile.Read(ref _added)) return false;
            ref var slot = ref _slots[_removed & (_slots.Length - 1)];
            page = slot!;
            slot = null;
            Volatile.Write(ref _removed, _removed + 1);
            return true;
        }
    }
}
