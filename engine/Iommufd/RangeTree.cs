namespace Smmu.Fast.Iommufd;

/// <summary>Ranges of 64-bit numbers that do not overlap, in order, each with a value.</summary>
/// <remarks>
/// A height-balanced tree: every operation takes time logarithmic in the number of ranges. Each node knows the largest hole
/// inside of its subtree, so that a hole of a size is found without a look at smaller ones. Not thread-safe.
/// </remarks>
internal sealed class RangeTree<T>
{
    private Node? root;

    public int Count { get; private set; }

    /// <summary>The first range that ends at or after an address; null when there is none.</summary>
    public Node? FirstFrom(ulong address)
    {
        Node? found = null;
        for (Node? node = root; node is not null;)
        {
            if (node.Last < address)
            {
                node = node.Right;
            }
            else
            {
                found = node;
                node = node.Left;
            }
        }

        return found;
    }

    /// <summary>The first range that has an address in common with one; null when there is none.</summary>
    public Node? FirstIn(ulong first, ulong last) => FirstFrom(first) is { } node && node.First <= last ? node : null;

    /// <summary>The range after one; null after the last.</summary>
    public Node? After(Node node) => node.Last == ulong.MaxValue ? null : FirstFrom(node.Last + 1);

    /// <summary>Adds a range that overlaps no other.</summary>
    public Node Add(ulong first, ulong last, T value)
    {
        var added = new Node(first, last, value);
        root = Insert(root, added);
        Count++;
        return added;
    }

    /// <summary>Takes a range out that is in the tree.</summary>
    public void Remove(Node node)
    {
        root = Remove(root, node.First);
        Count--;
    }

    /// <summary>Finds the first hole of a size at or after an address; what lies before that address does not count.</summary>
    /// <param name="from">The lowest address.</param>
    /// <param name="bytes">The size, above 0.</param>
    /// <param name="hole">The hole, up to the next range or the end of all numbers.</param>
    public bool TryFindHole(ulong from, ulong bytes, out IovaRange hole)
    {
        var search = new HoleSearch { Start = from, Least = bytes - 1 };
        if (Search(root, ref search))
        {
            hole = search.Found;
            return true;
        }

        hole = new IovaRange(search.Start, ulong.MaxValue);
        return !search.IsAtEnd && ulong.MaxValue - search.Start >= search.Least;
    }

    private static bool Search(Node? node, ref HoleSearch search)
    {
        if (node is null || search.IsAtEnd) return false;
        bool hasInside = node.HasHole && node.LargestHole >= search.Least;
        bool hasBefore = node.SubtreeFirst > search.Start && node.SubtreeFirst - 1 - search.Start >= search.Least;
        if (node.SubtreeLast < search.Start || (!hasInside && !hasBefore))
        {
            search.Pass(node.SubtreeLast);
            return false;
        }

        if (Search(node.Left, ref search)) return true;
        if (node.First > search.Start && node.First - 1 - search.Start >= search.Least)
        {
            search.Found = new IovaRange(search.Start, node.First - 1);
            return true;
        }

        search.Pass(node.Last);
        return Search(node.Right, ref search);
    }

    private static Node Insert(Node? node, Node added)
    {
        if (node is null) return added;
        if (added.First < node.First) node.Left = Insert(node.Left, added);
        else node.Right = Insert(node.Right, added);
        return Balance(node);
    }

    private static Node? Remove(Node? node, ulong first)
    {
        if (node is null) return null;
        if (first < node.First)
        {
            node.Left = Remove(node.Left, first);
        }
        else if (first > node.First)
        {
            node.Right = Remove(node.Right, first);
        }
        else
        {
            if (node.Left is null) return node.Right;
            if (node.Right is null) return node.Left;
            Node next = node.Right;
            while (next.Left is not null) next = next.Left;
            Node? right = Remove(node.Right, next.First);
            next.Left = node.Left;
            next.Right = right;
            node = next;
        }

        return Balance(node);
    }

    private static Node Balance(Node node)
    {
        node.Update();
        int lean = Node.HeightOf(node.Left) - Node.HeightOf(node.Right);
        if (lean > 1)
        {
            Node left = node.Left!;
            if (Node.HeightOf(left.Left) < Node.HeightOf(left.Right)) node.Left = RotateLeft(left);
            return RotateRight(node);
        }

        if (lean < -1)
        {
            Node right = node.Right!;
            if (Node.HeightOf(right.Right) < Node.HeightOf(right.Left)) node.Right = RotateRight(right);
            return RotateLeft(node);
        }

        return node;
    }

    private static Node RotateRight(Node node)
    {
        Node top = node.Left!;
        node.Left = top.Right;
        node.Update();
        top.Right = node;
        top.Update();
        return top;
    }

    private static Node RotateLeft(Node node)
    {
        Node top = node.Right!;
        node.Right = top.Left;
        node.Update();
        top.Left = node;
        top.Update();
        return top;
    }

    private struct HoleSearch
    {
        public ulong Start;    // Free from here on, as far as is known.
        public ulong Least;    // The size less one, so that all of 64 bits can be asked for.
        public bool IsAtEnd;
        public IovaRange Found;

        public void Pass(ulong last)
        {
            if (last < Start) return;
            IsAtEnd = last == ulong.MaxValue;
            Start = last + 1;
        }
    }

    /// <summary>A range and its value.</summary>
    internal sealed class Node(ulong first, ulong last, T value)
    {
        private int height = 1;

        public ulong First { get; } = first;

        public ulong Last { get; } = last;

        public T Value { get; } = value;

        internal Node? Left { get; set; }

        internal Node? Right { get; set; }

        internal ulong SubtreeFirst { get; private set; } = first;

        internal ulong SubtreeLast { get; private set; } = last;

        internal bool HasHole { get; private set; }

        internal ulong LargestHole { get; private set; }   // Its size less one; counts with HasHole.

        internal static int HeightOf(Node? node) => node?.height ?? 0;

        internal void Update()
        {
            height = 1 + Math.Max(HeightOf(Left), HeightOf(Right));
            SubtreeFirst = Left?.SubtreeFirst ?? First;
            SubtreeLast = Right?.SubtreeLast ?? Last;
            HasHole = false;
            LargestHole = 0;
            if (Left is not null)
            {
                Take(Left);
                if (Left.SubtreeLast + 1 < First) Take(First - 1 - (Left.SubtreeLast + 1));
            }

            if (Right is not null)
            {
                Take(Right);
                if (Last + 1 < Right.SubtreeFirst) Take(Right.SubtreeFirst - 1 - (Last + 1));
            }
        }

        private void Take(Node child)
        {
            if (child.HasHole) Take(child.LargestHole);
        }

        private void Take(ulong hole)
        {
            HasHole = true;
            LargestHole = Math.Max(LargestHole, hole);
        }
    }
}
